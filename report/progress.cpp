#include "report/progress.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "ipc/process_tree.hpp"
#include "report/dashboard.hpp"
#include "report/printable.hpp"
#include "report/progress_lines.hpp"
#include "report/verdict.hpp"

namespace runner::report {

namespace {

constexpr Duration kRedraw = Console::kBetweenDrawings;
constexpr Duration kBetweenMemory = std::chrono::seconds(1);
constexpr int kShareOfMemory = 300;  // of the time: with many workers it is looked less often than that
constexpr Duration kBetweenLines = std::chrono::seconds(5);

ProgressStyle settle(ProgressStyle style, const Console& console) {
  if (style == ProgressStyle::automatic) return console.live() ? ProgressStyle::bar : ProgressStyle::lines;
  if ((style == ProgressStyle::bar || style == ProgressStyle::full) && !console.live()) return ProgressStyle::lines;
  return style;
}

}  // namespace

Progress::Progress(Console& console, ProgressStyle style, bool keys) : console_(console), style_(settle(style, console)) {
  if (style_ == ProgressStyle::full) keyboard_.emplace(keys);
  if (style_ == ProgressStyle::full || style_ == ProgressStyle::bar) job_control_.emplace(&Keyboard::restore);
}

// `q` is one Ctrl-C, and no more than one however long it is held down: whoever hears those hears it too.
void Progress::listen() {
  if (!keyboard_) return;
  for (char key = keyboard_->next(); key != 0; key = keyboard_->next()) {
    switch (key) {
      case 'p': paused_ = !paused_; break;
      case '+': ++more_workers_; break;
      case '-': --more_workers_; break;
      case 'q':
        if (interrupts_ == 0 && !std::exchange(quit_, true)) ::kill(::getpid(), SIGINT);
        break;
      case '?':
      case 'h': help_ = !help_; break;
      default: break;
    }
  }
}

// A few system calls for each worker and for each process of its commands.
void Progress::look_at_memory(const master::Snapshot& snapshot) {
  if (memory_.size() == snapshot.workers.size() && snapshot.now < memory_due_) return;
  const TimePoint began = std::chrono::steady_clock::now();
  memory_.assign(snapshot.workers.size(), Bytes{});
  for (std::size_t i = 0; i < memory_.size(); ++i) {
    if (snapshot.workers[i].pid > 0) memory_[i] = os::own_and_below_memory(snapshot.workers[i].pid);
  }
  memory_due_ = snapshot.now + std::max(kBetweenMemory, (std::chrono::steady_clock::now() - began) * kShareOfMemory);
}

Result<void> Progress::started(const master::RunInfo& info) {
  // Under the others the loop's own thread runs jobs, and nothing is shown while it does: what they print must be out before.
  console_.hold(tick_interval() == kRedraw && (info.mode == "processes" || info.mode == "threads"));
  pace_ = Pace(info.started);
  shown_ = info.started;
  return {};
}

Result<void> Progress::ended(const master::JobRecord& record) {
  if (record.outcome.wall > Duration::zero()) pace_.took(record.outcome.wall);
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
  return say("worker " + std::to_string(number(lost.worker)) + " " + printable(lost.how) +
             (lost.replaced ? " and is replaced" : " and is not replaced: so many are not wanted any more"));
}

Result<void> Progress::worker_drifted(const master::WorkerDrifted& drifted) {
  if (style_ == ProgressStyle::none) return {};
  return say("worker " + std::to_string(number(drifted.worker)) + " " + drifted.how);
}

std::optional<Duration> Progress::tick_interval() const {
  if (style_ == ProgressStyle::bar || style_ == ProgressStyle::full) return kRedraw;
  if (style_ == ProgressStyle::lines) return kBetweenLines;
  return std::nullopt;
}

Result<void> Progress::tick(const master::Snapshot& snapshot) {
  const bool interrupted = std::exchange(interrupts_, snapshot.interrupts) < snapshot.interrupts;
  if (style_ == ProgressStyle::none) {
    if (!interrupted) return {};
    const Result<void> said = say(interrupt_line(snapshot.interrupts, any_running(snapshot)));
    return said ? console_.flush() : said;
  }
  listen();
  pace_.note(snapshot.now, snapshot.counts.done());
  bool heard = snapshot.stopping && !std::exchange(stopping_, snapshot.stopping);
  heard = (snapshot.memory && !std::exchange(waited_, true)) || heard || interrupted;
  const bool in_background = style_ != ProgressStyle::lines && console_.in_background();
  const Duration interval = in_background ? kBetweenLines : *tick_interval();
  if (in_background) console_.leave_lines();
  // Another sink may want ticks more often than we do.
  if (!heard && shown_ && snapshot.now - *shown_ < interval) return in_background ? console_.flush() : Result<void>{};
  shown_ = snapshot.now;
  if (in_background || style_ == ProgressStyle::lines) return say(plain_line(snapshot, pace_));
  if (style_ == ProgressStyle::full) {
    look_at_memory(snapshot);
    console_.show(
        dashboard(snapshot, pace_, memory_, {console_.columns(), console_.rows(), console_.utf8()},
                  keyboard_ && keyboard_->there(), help_));
    return {};
  }
  console_.show(live_lines(snapshot, pace_, console_.columns()));
  return {};
}

// No numbers: those are the loop's, and what is on the screen is as old as the job.
Result<void> Progress::interrupted(unsigned interrupts) {
  if (interrupts <= interrupts_) return {};
  interrupts_ = interrupts;
  stopping_ = true;
  const Result<void> said = say(interrupt_line(interrupts, true));
  return said ? console_.flush() : said;
}

Result<void> Progress::finished(const master::RunTotals&) {
  job_control_.reset();
  keyboard_.reset();
  console_.hold(false);
  console_.clear();
  return console_.flush();
}

Result<void> Progress::say(const std::string& line) {
  console_.err().buffer().append(line) += '\n';
  const Result<void> said = console_.err().end_record();
  return said && console_.live() ? console_.flush() : said;
}

}  // namespace runner::report
