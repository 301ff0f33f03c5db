// stepped_worker.hpp - a forked process that lives a worker's real life (worker::serve) and can be led one instruction at a time.
//
// Between two instructions it stands still, and what it shares with us is what a kill at that place would have left.
//
// Called from  a test's only thread. Both processes are held on one processor: a step then costs a third.
// Owns         the process; destroying the object kills it.
// Fails with   start: system, with the reason, where the process may not be traced. Everything later: a failed test.
// Call order   start stop step*
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <memory>
#include <runner/registry.hpp>
#include <runner/result.hpp>

#include "ipc/modules.hpp"
#include "tests/channel_ends.hpp"

namespace runner::sweep {

class SteppedWorker {
 public:
  // Takes the worker's end of the control socket. Returns when the worker has greeted; it runs freely then.
  [[nodiscard]] static Result<std::unique_ptr<SteppedWorker>> start(ipc::ChannelEnds& ends, Registry& registry,
                                                                    const ipc::Modules& modules);
  ~SteppedWorker();
  SteppedWorker(const SteppedWorker&) = delete;
  SteppedWorker& operator=(const SteppedWorker&) = delete;

  // Makes it stand still, asleep or not.
  void stop();
  // One instruction (a system call is one; of a repeated one each turn). False: the process has ended.
  [[nodiscard]] bool step();
  // Once it has ended: its exit status, or -1 if it did not leave by itself.
  [[nodiscard]] int exit_status() const { return exit_status_; }

 private:
  explicit SteppedWorker(pid_t pid);
  // Waits for what it does next. False: it has ended.
  bool wait(int& signal);

  pid_t pid_;
  cpu_set_t before_{};
  int pending_ = 0;  // a signal that is to be delivered with the next step
  bool ended_ = false;
  int exit_status_ = -1;
};

}  // namespace runner::sweep
