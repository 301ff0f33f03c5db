// stop_switch.hpp - how a job in this process is asked to stop: its stop token, and a descriptor that wakes who waits for a
// command.
//
// Called from  press: any thread, while the job runs. The rest: whoever hands the job out, before it runs or after it ended;
//              token, fd and pressed also the thread that runs it.
// Owns         the shared state of the token, used for one job after another until it is pressed; the descriptor.
// Fails with   make_ready: system.
// Call order   (make_ready press?)*
#pragma once

#include <stop_token>

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>

namespace runner::master {

class StopSwitch {
 public:
  // For the next job. `with_fd`: fd() is wanted.
  [[nodiscard]] Result<void> make_ready(bool with_fd);
  void press();

  [[nodiscard]] bool pressed() const { return stop_.stop_requested(); }
  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }
  // Readable once pressed.
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  std::stop_source stop_;
  UniqueFd fd_;
};

}  // namespace runner::master
