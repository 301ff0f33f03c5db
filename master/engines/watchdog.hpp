// watchdog.hpp - watches the one job that runs on the loop's own thread, where the loop cannot.
//
// At the job's deadline, or at the second interrupt, it presses the job's stop switch. A typed job that has not returned 2 s
// after that, or at the third interrupt, is given up, and with it the run; a command is killed at the third. It is also who
// tells that an interrupt was heard, which the loop cannot. Its thread looks every 50 ms at least, and when
// the deadline it knows of is due, so a job costs no wake-up: only two passes through a lock that nobody else wants.
//
// Called from  enter, leave: the loop's thread. The handlers: the watchdog's own.
// Owns         its thread.
// Fails with   start: system.
// Call order   start (enter leave)*
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <runner/result.hpp>
#include "master/engines/in_process.hpp"
#include "master/engines/stop_switch.hpp"

namespace runner::master {

class Watchdog {
 public:
  struct Ears {
    const Interrupts* interrupts = nullptr;  // null: nobody interrupts
    StuckHandler stuck;
    InterruptHandler heard;  // empty: the loop will tell
  };
  [[nodiscard]] static Result<std::unique_ptr<Watchdog>> start(Ears ears);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // The calling thread enters the code of `job` at `now`. Both stay until leave().
  void enter(const JobSpec& job, StopSwitch& stop, TimePoint now);
  // It came back. Answers why it was asked to stop, if it was; does not return while a handler runs, for ever if the run is given
  // up.
  [[nodiscard]] std::optional<StopReason> leave();

 private:
  explicit Watchdog(Ears ears) : ears_(std::move(ears)) {}
  void watch();
  void look(TimePoint now);

  const Ears ears_;
  std::mutex mutex_;  // guards what follows; held by the thread except while it sleeps
  std::condition_variable wake_;
  Duration interval_ = std::chrono::milliseconds(50);
  const JobSpec* job_ = nullptr;
  StopSwitch* stop_ = nullptr;
  TimePoint deadline_{};  // to ask it to stop; once asked, to give up
  std::optional<StopReason> asked_;
  unsigned told_ = 0;  // interrupts
  bool given_up_ = false;
  bool leaving_ = false;
  std::thread thread_;
};

}  // namespace runner::master
