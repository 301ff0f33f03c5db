// stop_switch.hpp - how a job in this process is asked to stop, and told to: its stop token, and a descriptor that wakes who
// waits for a command.
//
// Called from  press, insist: any thread, while the job runs. The rest: whoever hands the job out, before it runs or after it ended;
//              token, fd, pressed and insisted also the thread that runs it.
// Owns         the shared state of the token, used for one job after another until it is pressed; the descriptor.
// Fails with   make_ready: system.
// Call order   (make_ready (press insist?)?)*
#pragma once

#include <atomic>
#include <stop_token>

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>

namespace runner::master {

class StopSwitch {
 public:
  // For the next job. `with_fd`: fd() is wanted.
  [[nodiscard]] Result<void> make_ready(bool with_fd);
  void press();
  // A command is to be killed now, whatever it was given to end by itself. A typed job cannot be.
  void insist();

  [[nodiscard]] bool pressed() const { return stop_.stop_requested(); }
  [[nodiscard]] bool insisted() const { return insisted_.load(std::memory_order_acquire); }
  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }
  // Readable once pressed; then, once insisted, its other end is gone.
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  std::stop_source stop_;
  std::atomic<bool> insisted_{false};
  UniqueFd fd_, end_;  // of a pipe
};

}  // namespace runner::master
