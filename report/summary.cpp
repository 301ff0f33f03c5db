#include "report/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "report/printable.hpp"
#include "report/verdict.hpp"

namespace runner::report {

namespace {

constexpr std::size_t kListed = 10, kSignalsNamed = 3, kLastLineColumns = 120;

// What a command said last on stderr that has more than blanks: often why it failed.
std::string last_words(const Outcome& outcome) {
  std::string_view text = outcome.err.text;
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  const std::size_t feed = text.rfind('\n');
  return ", stderr ends: " + fit(printable(feed == std::string_view::npos ? text : text.substr(feed + 1)), kLastLineColumns);
}

std::string jobs(std::uint64_t count) { return grouped(count) + (count == 1 ? " job" : " jobs"); }

std::string counts_line(const master::RunTotals& totals, const std::string& signals) {
  const master::Counts& counts = totals.counts;
  std::string line = jobs(counts.done());
  const auto tell = [&line](std::uint64_t count, std::string_view what) {
    if (count > 0) line += " · " + grouped(count) + " " + std::string(what);
  };
  tell(counts.ok, "ok");
  tell(counts.failed, "failed");
  tell(counts.crashed, "crashed" + signals);
  tell(counts.timed_out, "timed out");
  tell(counts.out_of_memory, "out of memory");
  tell(counts.cancelled, "cancelled");
  if (counts.allowed > 0) line += fmt::format(" ({} allowed to fail)", grouped(counts.allowed));
  tell(totals.retries, totals.retries == 1 ? "retry" : "retries");
  tell(totals.costs.workers_lost, totals.costs.workers_lost == 1 ? "worker replaced" : "workers replaced");
  return line + " · " + format_duration(totals.wall) + " · " + totals.engine + "\n";
}

bool resized(const master::Costs& costs) { return costs.all_workers().absent != Duration::zero(); }

std::string worth_line(const master::RunTotals& totals) {
  // Their number may have changed meanwhile.
  const double wall = seconds(totals.wall), procs = resized(totals.costs) ? totals.costs.workers_at_a_time() : totals.procs;
  if (wall <= 0 || procs <= 0) return {};
  const double speed_up = seconds(totals.compute) / wall;
  const double efficiency = speed_up / procs * 100;
  if (procs > totals.cpus && totals.cpus > 0) {
    // A job that waits for a core while another has it does so inside of its own wall time: that is no speed-up.
    return fmt::format("compute {} ({} of CPU) · {:.1f} jobs at a time share {} core{}, {:.0f} % busy\n",
                       format_duration(totals.compute), format_duration(totals.compute_cpu), speed_up, totals.cpus,
                       totals.cpus == 1 ? "" : "s", seconds(totals.compute_cpu) / wall / totals.cpus * 100);
  }
  return fmt::format("compute {} ({} of CPU) · speed-up {:.{}f}x · efficiency {:.{}f} %\n", format_duration(totals.compute),
                     format_duration(totals.compute_cpu), speed_up, speed_up < 0.095 ? 3 : 1, efficiency,
                     efficiency < 9.5 ? 1 : 0);
}

std::string_view model(std::string_view mode) {
  if (mode == "processes") return "processes";
  if (mode == "threads") return "threads";
  return mode == "async" ? "the event loop" : "the loop";
}

// One job's way, in medians.
std::string typical_line(const master::Costs& costs) {
  std::string line = "one job ";
  for (std::size_t i = 0; i < master::kSpans; ++i) {
    const auto span = static_cast<master::Span>(i);
    const Duration median = costs.distribution[i].percentile(50);
    if (median.count() == 0) continue;
    std::string name(name_of(span));
    std::replace(name.begin(), name.end(), '_', span == master::Span::wake_up ? '-' : ' ');
    line += fmt::format("{}{} {}", line.size() > 8 ? " · " : " ", name, format_duration(median));
  }
  if (line.size() == 8) return {};
  return line + (costs.sampled > 1 ? fmt::format("  (medians, 1 in {} jobs sampled)\n", costs.sampled) : "  (medians)\n");
}

// Where the workers' time went that was not in the jobs' code; and what the master did for them.
std::string cost_lines(const master::RunTotals& totals) {
  const master::Costs& costs = totals.costs;
  const Duration base = costs.worker_seconds();
  if (!costs.kept || base <= Duration::zero()) return {};
  const master::Account all = costs.all_workers();
  const Duration cost = base - all[master::Use::execute];
  const double percent = seconds(cost) / seconds(base) * 100;
  const std::string share = percent < 0.1 ? "less than 0.1 %" : fmt::format("{:.1f} %", percent);
  std::string line =
      fmt::format("cost of {}  {}, {} of {} × {}: ", model(totals.mode), format_duration(cost), share,
                  resized(costs) ? fmt::format("{:.1f}", costs.workers_at_a_time()) : std::to_string(costs.workers.size()),
                  format_duration(costs.wall));
  const char* before = " ";
  const auto tell = [&](std::string_view what, Duration spent, const std::string& how = {}) {
    if (spent.count() == 0) return;
    line += fmt::format("{}{} {}{}", before, what, format_duration(spent), how);
    before = " · ";
  };
  const Duration start = all[master::Use::start];
  tell("start", start,
       totals.procs > 1 && !resized(costs) ? fmt::format(" ({} × {})", totals.procs, format_duration(start / totals.procs))
                                           : "");
  tell("waiting", all[master::Use::waiting]);
  tell("wake-up", all[master::Use::wake_up], fmt::format(" ({})", grouped(costs.wake_ups)));
  tell("deserialize", all[master::Use::deserialize]);
  tell("answer", all[master::Use::answer]);
  tell("idle", all[master::Use::idle],
       costs.tail.count() != 0 ? fmt::format(" ({} of it at the end)", format_duration(costs.tail)) : "");
  tell("stop", all[master::Use::stop]);
  tell("unaccounted", costs.unaccounted());
  line += fmt::format("\nmaster  {} of CPU", format_duration(costs.master_cpu));
  before = " · ";
  tell("serialize", costs.attempts[master::Span::serialize]);
  return line + "\n" + typical_line(costs);
}

std::string shared_line(const master::RunTotals& totals) {
  std::string line;
  for (const Shared::Count& counter : totals.counters) {
    line += fmt::format("{} {} = {}", line.empty() ? "shared " : " ·", counter.name, counter.value);
  }
  return line.empty() ? line : line + "\n";
}

std::string missing_line(const master::RunTotals& totals) {
  const std::string why = totals.interrupted ? "interrupted: "
                          : totals.halted    ? "halted by " + totals.halted->text() + ": "
                                             : "stopped early: ";
  if (totals.halted && (!totals.size || *totals.size <= totals.counts.done())) return why + "no further job was started\n";
  if (!totals.size) return totals.interrupted ? "interrupted: jobs that had not started were not run\n" : "";
  if (*totals.size <= totals.counts.done()) return totals.interrupted ? "interrupted, but every job had ended\n" : "";
  // Only the engine knows which of them had been started when it was told to end at once; an outcome none of them has.
  return fmt::format("{}{} of {} never ran to an end and have no outcome\n", why, grouped(*totals.size - totals.counts.done()),
                     jobs(*totals.size));
}

}  // namespace

Result<void> Summary::ended(const master::JobRecord& record) {
  if (succeeded(record.outcome)) {
    if (!record.outcome.left_behind.empty() && left_behind_.size() < kListed) {
      left_behind_.push_back(printable(record.job.name) + ": " + printable(joined(record.outcome.left_behind)));
    }
    return {};
  }
  if (const auto* crashed = std::get_if<Crashed>(&record.outcome.ending); crashed != nullptr && crashed->signal != 0) {
    if (std::find(signals_.begin(), signals_.end(), crashed->signal) == signals_.end()) signals_.push_back(crashed->signal);
  }
  if (record.outcome.quarantined && ++all_quarantined_ <= kListed) quarantined_.push_back(printable(record.job.name));
  std::vector<std::string>& list = record.job.allow_failure ? allowed_ : failed_;
  if (list.size() >= kListed) return {};
  list.push_back(verdict(record.job.name, record.outcome, record.attempts) + last_words(record.outcome));
  const std::string replay = replay_ && number(record.attempts) != 0 ? replay_(record.job.name) : std::string();
  if (!replay.empty()) list.back() += " · replay: " + printable(replay);
  return {};
}

Result<void> Summary::finished(const master::RunTotals& totals) {
  console_.clear();
  console_.err().buffer() += console_.live() ? folded(text(totals), console_.columns()) : text(totals);
  const Result<void> ended = console_.err().end_record();
  return ended ? console_.flush() : ended;
}

std::string Summary::text(const master::RunTotals& totals) const {
  std::string signals;
  for (std::size_t i = 0; i < signals_.size() && i <= kSignalsNamed; ++i) {
    signals += (i == 0 ? " (" : ", ") + (i < kSignalsNamed ? signal_name(signals_[i]) : std::string("…"));
  }
  if (!signals.empty()) signals += ")";

  const master::Counts& counts = totals.counts;
  std::string text = counts_line(totals, signals);
  if (counts.done() > 0) text += worth_line(totals) + cost_lines(totals);
  text += shared_line(totals) + missing_line(totals);
  if (all_quarantined_ > 0) {
    text += fmt::format("quarantined, because {} killed as many workers as crash_limit allows: {}{}\n",
                        all_quarantined_ == 1 ? "it has" : "each has", fmt::join(quarantined_, ", "),
                        all_quarantined_ > kListed ? fmt::format(" and {} more", grouped(all_quarantined_ - kListed)) : "");
  }
  std::size_t listed = 0;
  for (const std::string& line : failed_) {
    text += "failed: " + line + "\n";
    ++listed;
  }
  for (const std::string& line : allowed_) {
    if (listed == kListed) break;
    text += "allowed to fail: " + line + "\n";
    ++listed;
  }
  const std::uint64_t more = counts.done() - counts.ok - std::min<std::uint64_t>(listed, counts.done() - counts.ok);
  for (const std::string& line : left_behind_) text += "left running, and ended with their job: " + line + "\n";
  if (more > 0) {
    text += fmt::format("and {} more; {}\n", grouped(more),
                        results_path_.empty() ? "--results FILE.jsonl keeps them all" : "see " + printable(results_path_));
  }
  return text;
}

}  // namespace runner::report
