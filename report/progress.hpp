// progress.hpp - how far the run is, while it runs, on standard error.
//
// full   a small dashboard on a terminal (dashboard.hpp), with keys; where there is no terminal, as `lines`.
// bar    one or two live lines on a terminal, at most ten times a second; where there is no terminal, as `lines`.
// lines  a plain line every five seconds.
// none   nothing, but that and how an interrupt was heard.
// In the background of a terminal full and bar are as `lines`: somebody types there. After `fg` they are drawn anew.
// But with none, every job that did not end well, and every attempt that is tried again, gets a line as it comes.
//
// Called from  the run loop's thread.
// Owns         nothing on the screen after finished(); the console is shared. With full and bar, what stops and ends the program
//              (job_control.hpp), until finished().
// Fails with   unwritable, when standard error is closed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "master/sink.hpp"
#include "report/console.hpp"
#include "report/job_control.hpp"
#include "report/keyboard.hpp"
#include "report/pace.hpp"

namespace runner::report {

enum class ProgressStyle { automatic, full, bar, lines, none };  // automatic: bar on a terminal, else lines

class Progress final : public master::Sink {
 public:
  // `keys`: with `full`, whether standard input may be read for keys.
  Progress(Console& console, ProgressStyle style, bool keys = false);
  // The switch that `p` turns.
  [[nodiscard]] const bool& paused() const { return paused_; }
  // By how many workers more, or fewer, `+` and `-` were pressed; whoever hears it sets it to 0.
  [[nodiscard]] std::int32_t& more_workers() { return more_workers_; }
  // From now on no keys: jobs are read from there.
  void leave_keys() { keyboard_.reset(); }

  [[nodiscard]] Result<void> started(const master::RunInfo& info) override;
  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override;
  [[nodiscard]] Result<void> retried(const master::RetryRecord& record) override;
  [[nodiscard]] Result<void> worker_lost(const master::WorkerLost& lost) override;
  [[nodiscard]] Result<void> worker_drifted(const master::WorkerDrifted& drifted) override;
  [[nodiscard]] std::optional<Duration> tick_interval() const override;
  [[nodiscard]] Result<void> tick(const master::Snapshot& snapshot) override;
  [[nodiscard]] Result<void> flush() override { return console_.flush(); }
  [[nodiscard]] Result<void> finished(const master::RunTotals& totals) override;
  // So many interrupts were heard while the run loop is inside a job, and cannot tick: any thread, while that one touches no sink.
  [[nodiscard]] Result<void> interrupted(unsigned interrupts);
  void salvage() noexcept override {
    Keyboard::restore();
    console_.salvage();
  }

 private:
  [[nodiscard]] Result<void> say(const std::string& line);
  void listen();
  void look_at_memory(const master::Snapshot& snapshot);

  Console& console_;
  ProgressStyle style_;
  Pace pace_{TimePoint{}};
  std::optional<TimePoint> shown_;  // when the last line was
  bool stopping_ = false;
  unsigned interrupts_ = 0;  // that were told of
  bool waited_ = false;      // for memory, once at least
  std::optional<Keyboard> keyboard_;
  std::optional<JobControl> job_control_;  // gone before the keyboard is
  bool paused_ = false, help_ = false, quit_ = false;
  std::int32_t more_workers_ = 0;
  std::vector<Bytes> memory_;  // of the workers
  TimePoint memory_due_{};  // when to look at it again
};

}  // namespace runner::report
