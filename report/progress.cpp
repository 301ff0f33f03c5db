#include "report/progress.hpp"

#include <chrono>
#include <utility>

#include "report/printable.hpp"
#include "report/progress_lines.hpp"
#include "report/verdict.hpp"

namespace runner::report {

namespace {

constexpr Duration kRedraw = std::chrono::milliseconds(100);
constexpr Duration kBetweenLines = std::chrono::seconds(5);

ProgressStyle settle(ProgressStyle style, const Console& console) {
  if (style == ProgressStyle::automatic) return console.live() ? ProgressStyle::bar : ProgressStyle::lines;
  if (style == ProgressStyle::bar && !console.live()) return ProgressStyle::lines;
  return style;
}

}  // namespace

Progress::Progress(Console& console, ProgressStyle style) : console_(console), style_(settle(style, console)) {}

Result<void> Progress::started(const master::RunInfo& info) {
  pace_ = Pace(info.started);
  shown_ = info.started;
  return {};
}

Result<void> Progress::ended(const master::JobRecord& record) {
  if (style_ == ProgressStyle::none || succeeded(record.outcome)) return {};
  return say((record.job.allow_failure ? "allowed to fail: " : "failed: ") +
             verdict(record.job.name, record.outcome, record.attempts));
}

Result<void> Progress::retried(const master::RetryRecord& record) {
  if (style_ == ProgressStyle::none) return {};
  return say("again: " + verdict(record.job.name, record.outcome, record.attempt));
}

Result<void> Progress::worker_lost(const master::WorkerLost& lost) {
  if (style_ == ProgressStyle::none) return {};
  return say("worker " + std::to_string(number(lost.worker)) + " " + printable(lost.how) + " and is replaced");
}

Result<void> Progress::worker_drifted(const master::WorkerDrifted& drifted) {
  if (style_ == ProgressStyle::none) return {};
  return say("worker " + std::to_string(number(drifted.worker)) + " " + drifted.how);
}

std::optional<Duration> Progress::tick_interval() const {
  if (style_ == ProgressStyle::bar) return kRedraw;
  if (style_ == ProgressStyle::lines) return kBetweenLines;
  return std::nullopt;
}

Result<void> Progress::tick(const master::Snapshot& snapshot) {
  const bool interrupted = std::exchange(interrupts_, snapshot.interrupts) < snapshot.interrupts;
  if (style_ == ProgressStyle::none) {
    if (!interrupted) return {};
    const Result<void> said = say(interrupt_line(snapshot));
    return said ? console_.flush() : said;
  }
  pace_.note(snapshot.now, snapshot.counts.done());
  bool heard = snapshot.stopping && !std::exchange(stopping_, snapshot.stopping);
  heard = (snapshot.memory && !std::exchange(waited_, true)) || heard || interrupted;
  // Another sink may want ticks more often than we do.
  if (!heard && shown_ && snapshot.now - *shown_ < *tick_interval()) return {};
  shown_ = snapshot.now;
  if (style_ == ProgressStyle::lines) return say(plain_line(snapshot, pace_));
  console_.show(live_lines(snapshot, pace_, console_.columns()));
  return {};
}

Result<void> Progress::finished(const master::RunTotals&) {
  console_.clear();
  return console_.flush();
}

Result<void> Progress::say(const std::string& line) {
  console_.err().buffer().append(line) += '\n';
  const Result<void> said = console_.err().end_record();
  return said && console_.live() ? console_.flush() : said;
}

}  // namespace runner::report
