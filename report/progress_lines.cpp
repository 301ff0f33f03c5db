#include "report/progress_lines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "report/printable.hpp"

namespace runner::report {

namespace {

constexpr std::size_t kNameColumns = 28, kBesideName = 22;                  // worker, time, and how many more there are
constexpr std::size_t kSmallestBar = 10, kLargestBar = 40, kBesideBar = 4;  // brackets and a gap

// A part of the line, and how soon it goes when there is no room: the highest first, 0 never.
struct Part {
  std::string text;
  int dispensable = 0;
};

std::string speed(double rate) {
  if (rate >= 9.95) return grouped(static_cast<std::uint64_t>(std::llround(rate))) + "/s";
  if (rate >= 0.95) return fmt::format("{:.1f}/s", rate);
  if (rate * 60 >= 0.95) return fmt::format("{:.1f}/min", rate * 60);
  return fmt::format("{:.1f}/h", rate * 3600);
}

std::uint64_t running(const master::Snapshot& snapshot) {
  return static_cast<std::uint64_t>(std::count_if(snapshot.workers.begin(), snapshot.workers.end(),
                                                  [](const auto& worker) { return worker.job.has_value(); }));
}

std::uint64_t failed(const master::Counts& counts) { return counts.done() - counts.ok - counts.allowed; }

double share(const master::Snapshot& snapshot) {
  if (!snapshot.size || *snapshot.size == 0) return 0;
  return std::min(1.0, static_cast<double>(snapshot.counts.done()) / static_cast<double>(*snapshot.size));
}

// Rounded down: 100 % is when all are done.
unsigned percent(const master::Snapshot& snapshot) { return static_cast<unsigned>(share(snapshot) * 100); }

// How many jobs are left, where that is known and they will be started.
std::uint64_t to_come(const master::Snapshot& snapshot) {
  if (!snapshot.size || *snapshot.size <= snapshot.counts.done() || snapshot.stopping) return 0;
  return *snapshot.size - snapshot.counts.done();
}

std::string waited_for(const master::Snapshot::Memory& memory) {
  return format_size(memory.free) + " free of the " + format_size(memory.wanted) + " that must be";
}

std::size_t width(const std::vector<Part>& parts) {
  std::size_t sum = 0;
  for (const Part& part : parts) sum += columns_of(part.text) + (sum == 0 ? 0 : 2);
  return sum;
}

std::string bar(double share, std::size_t columns) {
  const auto full = static_cast<std::size_t>(share * static_cast<double>(columns));
  return "[" + std::string(full, '#') + std::string(columns - full, '.') + "]";
}

std::string first_line(const master::Snapshot& snapshot, const Pace& pace, std::size_t columns, bool with_eta) {
  const master::Counts& counts = snapshot.counts;
  std::vector<Part> parts;
  if (snapshot.size) {
    parts.push_back({fmt::format("{:3} %", percent(snapshot)), 3});
    parts.push_back({grouped(counts.done()) + "/" + grouped(*snapshot.size), 0});
  } else {
    parts.push_back({grouped(counts.done()) + " done", 0});
  }
  // Who has pressed a key wants to know what it did more than to see a bar.
  if (snapshot.stopping) parts.push_back({snapshot.halted ? "halted" : snapshot.interrupts > 1 ? "ending" : "stopping", 0});
  if (snapshot.interrupts == 1) parts.push_back({"(running jobs finish; Ctrl-C again ends them)", 1});
  if (snapshot.interrupts == 2) parts.push_back({"(TERM was sent; one more Ctrl-C kills at once)", 1});
  if (snapshot.memory) {
    parts.push_back({"waiting for memory", 0});
    parts.push_back({waited_for(*snapshot.memory), 3});
  }
  parts.push_back({grouped(running(snapshot)) + " running", 2});
  if (failed(counts) > 0) parts.push_back({grouped(failed(counts)) + " failed", 1});
  if (counts.allowed > 0) parts.push_back({grouped(counts.allowed) + " allowed", 4});
  if (const std::optional<double> rate = pace.rate()) parts.push_back({speed(*rate), 3});
  if (std::string rest = eta(snapshot, pace, {}); with_eta && !rest.empty()) {
    parts.push_back({"ETA " + rest, 1});
  } else if (!snapshot.size) {
    parts.push_back({calm(pace.elapsed()), 2});
  }
  // Small matters make room for the bar, greater ones only for what matters more than they do.
  const auto drop_while_wider = [&parts](std::size_t room, int from) {
    while (width(parts) > room) {
      const auto least = std::max_element(parts.begin(), parts.end(),
                                          [](const Part& a, const Part& b) { return a.dispensable < b.dispensable; });
      if (least->dispensable < from) return;
      parts.erase(least);
    }
  };
  if (snapshot.size && columns > kSmallestBar + kBesideBar) drop_while_wider(columns - kSmallestBar - kBesideBar, 4);
  drop_while_wider(columns, 1);
  std::string line;
  const std::size_t used = width(parts) + kBesideBar;
  const bool barred = snapshot.size && used + kSmallestBar <= columns;
  if (barred) line = bar(share(snapshot), std::min(columns - used, kLargestBar)) + "  ";
  for (std::size_t i = 0; i < parts.size(); ++i) line += (i == 0 ? "" : "  ") + parts[i].text;
  if (!barred) line.erase(0, line.find_first_not_of(' '));
  return fit(line, columns);
}

std::string second_line(const master::Snapshot& snapshot, std::size_t columns) {
  std::string line;
  std::size_t used = 0;
  std::uint64_t unshown = running(snapshot);
  const std::size_t name_room = std::min(kNameColumns, columns > kBesideName ? columns - kBesideName : 1);
  for (std::size_t i = 0; i < snapshot.workers.size(); ++i) {
    const master::WorkerView& worker = snapshot.workers[i];
    if (!worker.job) continue;
    const std::string_view name = i < snapshot.job_names.size() ? snapshot.job_names[i] : std::string_view();
    const std::string item = fmt::format("{}w{} {} {}", line.empty() ? "" : "  ", number(worker.worker), fit(name, name_room),
                                         calm(std::max(Duration::zero(), Duration(snapshot.now - worker.since))));
    const std::string more = unshown > 1 ? fmt::format("  +{}", unshown - 1) : std::string();
    if (used + columns_of(item) + more.size() > columns) break;
    line += item;
    used += columns_of(item);
    --unshown;
  }
  if (!line.empty() && unshown > 0) line += fmt::format("  +{}", unshown);
  return line;
}

// The last column stays free: a cursor that waits behind it is where terminals disagree.
std::size_t room_in(std::size_t columns) { return columns > 1 ? columns - 1 : 1; }

}  // namespace

std::string calm(Duration duration) {
  const auto whole = std::chrono::round<std::chrono::seconds>(duration);
  return whole.count() < 120 ? fmt::format("{} s", whole.count()) : format_duration(whole);
}

std::string eta(const master::Snapshot& snapshot, const Pace& pace, std::string_view give_or_take) {
  const std::uint64_t jobs = to_come(snapshot);
  const std::optional<Duration> left = jobs > 0 ? pace.left(jobs) : std::nullopt;
  if (!left) return {};
  const std::optional<Duration> off = give_or_take.empty() ? std::nullopt : pace.uncertainty(jobs);
  // Rounded up: nobody knows it to the second.
  return calm(*left) + (off ? fmt::format(" {} {}", give_or_take, calm(std::chrono::ceil<std::chrono::seconds>(*off))) : "");
}

std::string state_line(const master::Snapshot& snapshot, const Pace& pace, std::size_t columns) {
  return first_line(snapshot, pace, room_in(columns), false);
}

std::vector<std::string> live_lines(const master::Snapshot& snapshot, const Pace& pace, std::size_t columns) {
  const std::size_t room = room_in(columns);
  std::vector<std::string> lines{first_line(snapshot, pace, room, true)};
  if (std::string workers = second_line(snapshot, room); !workers.empty()) lines.push_back(std::move(workers));
  return lines;
}

std::string plain_line(const master::Snapshot& snapshot, const Pace& pace) {
  const master::Counts& counts = snapshot.counts;
  std::string line = calm(pace.elapsed()) + ": " + grouped(counts.done());
  if (snapshot.size) {
    line += fmt::format(" of {} jobs done ({} %)", grouped(*snapshot.size), percent(snapshot));
  } else {
    line += " jobs done";
  }
  line += ", " + grouped(running(snapshot)) + " running";
  if (failed(counts) > 0) line += ", " + grouped(failed(counts)) + " failed";
  if (counts.allowed > 0) line += ", " + grouped(counts.allowed) + " allowed to fail";
  if (snapshot.memory) line += ", waiting for memory (" + waited_for(*snapshot.memory) + ")";
  if (snapshot.halted) return line + ", halted";
  if (snapshot.interrupts == 1) return line + ", stopping (running jobs finish; another Ctrl-C ends them)";
  if (snapshot.interrupts == 2) return line + ", ending the running jobs (TERM was sent; one more Ctrl-C kills them at once)";
  if (snapshot.interrupts > 2) return line + ", killing the running jobs";
  if (snapshot.stopping) return line + ", stopping (running jobs finish)";
  if (const std::optional<double> rate = pace.rate()) line += ", " + speed(*rate);
  if (const std::string rest = eta(snapshot, pace, {}); !rest.empty()) line += ", about " + rest + " left";
  return line;
}

bool any_running(const master::Snapshot& snapshot) { return running(snapshot) > 0; }

std::string interrupt_line(unsigned interrupts, bool any_running) {
  if (!any_running) return "interrupted: nothing more starts";
  if (interrupts < 2) return "interrupted: running jobs finish, nothing more starts; another Ctrl-C ends them";
  if (interrupts == 2) return "interrupted: the running jobs were sent TERM; one more Ctrl-C kills them at once";
  return "interrupted: the running jobs are killed";
}

}  // namespace runner::report
