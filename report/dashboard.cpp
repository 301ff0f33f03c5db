#include "report/dashboard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <span>

#include "report/printable.hpp"
#include "report/progress_lines.hpp"

namespace runner::report {

namespace {

constexpr std::size_t kStateColumns = 15, kAgeColumns = 10, kMemoryColumns = 11;

// What the screen can show.
struct Glyphs {
  std::array<std::string_view, 8> heights;
  std::string_view give_or_take, between;
};
constexpr Glyphs kUtf8{{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, "±", " · "};
constexpr Glyphs kAscii{{"_", ".", ":", "-", "=", "+", "*", "#"}, "+-", " | "};

// Each value against the largest, in eight heights; of the latest as many as there is room for.
std::string sparkline(std::span<const double> values, std::size_t columns, const Glyphs& glyphs) {
  values = values.last(std::min(values.size(), columns));
  const double most = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  if (most <= 0) return {};
  std::string line;
  for (const double value : values)
    line += glyphs.heights[static_cast<std::size_t>(std::min(7.0, std::floor(value / most * 8)))];
  return line;
}

// Of what workers have done so far beside being idle, how much was communication.
std::optional<double> communication(const master::Costs* costs) {
  if (costs == nullptr) return std::nullopt;
  const master::Account all = costs->all_workers();
  using master::Use;
  const Duration talk = all[Use::waiting] + all[Use::wake_up] + all[Use::deserialize] + all[Use::answer];
  const Duration busy = talk + all[Use::execute];
  if (busy <= Duration::zero()) return std::nullopt;
  return seconds(talk) / seconds(busy);
}

// What is most worth knowing first: what has no room is left out.
std::string second_line(const master::Snapshot& snapshot, const Pace& pace, std::size_t columns, const Glyphs& glyphs) {
  std::string line;
  const auto room = [&] { return columns - std::min(columns, columns_of(line) + (line.empty() ? 0 : 2)); };
  const auto add = [&](const std::string& part) {
    if (!part.empty() && columns_of(part) <= room()) line += (line.empty() ? "" : "  ") + part;
  };
  if (const std::string rest = eta(snapshot, pace, glyphs.give_or_take); !rest.empty()) add("ETA " + rest);
  if (const std::optional<double> share = communication(snapshot.costs)) add(fmt::format("IPC {:.1f} %", *share * 100));
  add(sparkline(pace.history(), room(), glyphs));
  return line;
}

// "w0  running  name      12 s   34.1 MiB"
std::string worker_line(const master::Snapshot& snapshot, std::size_t i, Bytes memory, std::size_t columns) {
  const master::WorkerView& worker = snapshot.workers[i];
  const std::string age = calm(std::max(Duration::zero(), Duration(snapshot.now - worker.since)));
  const char* const state = number(worker.worker) >= snapshot.procs ? "leaving" : worker.job ? "running" : "idle";
  std::string line = fmt::format("{:<4}{:<8}", fmt::format("w{}", number(worker.worker)), state);
  std::string right = fmt::format("{:>{}}", age, kAgeColumns);
  if (memory.count != 0) right += fmt::format("{:>{}}", format_size(memory), kMemoryColumns);
  if (columns < kStateColumns + right.size() + 4) return fit(line + age, columns);
  const std::size_t room = columns - line.size() - 1 - right.size();
  const std::string_view name = worker.job && i < snapshot.job_names.size() ? snapshot.job_names[i] : std::string_view();
  std::string shown = fit(name, room);
  shown.append(room - std::min(room, columns_of(shown)), ' ');
  return line + " " + shown + right;
}

}  // namespace

std::vector<std::string> dashboard(const master::Snapshot& snapshot, const Pace& pace, const std::vector<Bytes>& memory,
                                   Screen screen, bool keys, bool help) {
  // The last column stays free: a cursor that waits behind it is where terminals disagree. So does a row, for what is printed above.
  const std::size_t columns = screen.columns > 1 ? screen.columns - 1 : 1;
  std::size_t rows = screen.rows > 2 ? screen.rows - 1 : 1;
  const Glyphs& glyphs = screen.utf8 ? kUtf8 : kAscii;
  std::vector<std::string> lines, last;
  if (help) {
    last = {snapshot.paused ? "p  go on handing out jobs (PAUSED)" : "p  pause handing out jobs",
            fmt::format("+  one worker more, -  one fewer (now {}): it finishes what it runs", snapshot.procs),
            "q  as one Ctrl-C: running jobs finish, nothing more starts", "?  hide this"};
  } else if (keys) {
    const std::string pause =
        snapshot.paused ? fmt::format("PAUSED: running jobs finish{}p go on", glyphs.between) : std::string("p pause");
    last = {fmt::format("{}{}+ - workers ({}){}q stop{}? keys", pause, glyphs.between, snapshot.procs, glyphs.between,
                        glyphs.between)};
  } else if (snapshot.paused) {
    last = {"PAUSED: running jobs finish"};
  }
  if (!snapshot.refused.empty()) last.insert(last.begin(), printable(snapshot.refused));
  std::string second = rows > 1 ? second_line(snapshot, pace, columns, glyphs) : std::string();
  if (second.empty()) {
    lines = {live_lines(snapshot, pace, screen.columns).front()};
  } else {
    lines = {state_line(snapshot, pace, screen.columns), std::move(second)};
  }
  if (lines.size() + last.size() > rows) last.resize(rows > lines.size() ? rows - lines.size() : 0);
  rows -= lines.size() + last.size();
  const std::size_t all = snapshot.workers.size();
  const std::size_t shown = all <= rows ? all : rows > 0 ? rows - 1 : 0;
  // Those that run first: where not all can be shown, an idle one tells least.
  std::vector<std::size_t> order(all);
  for (std::size_t i = 0; i < all; ++i) order[i] = i;
  if (shown < all) {
    std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return snapshot.workers[i].job.has_value(); });
  }
  for (std::size_t i = 0; i < shown; ++i) {
    const std::size_t worker = order[i];
    lines.push_back(worker_line(snapshot, worker, worker < memory.size() ? memory[worker] : Bytes{}, columns));
  }
  if (shown < all && rows > 0) {
    const auto running = std::count_if(order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                                       [&](std::size_t i) { return snapshot.workers[i].job.has_value(); });
    lines.push_back(fit(fmt::format("and {} more workers: {} running, {} idle", all - shown, running,
                                    static_cast<std::ptrdiff_t>(all - shown) - running),
                        columns));
  }
  for (const std::string& line : last) lines.push_back(fit(line, columns));
  return lines;
}

}  // namespace runner::report
