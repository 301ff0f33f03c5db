// stopping.hpp - how a built-in kind ends early when its job was asked to stop.
//
// Called from  the thread that runs the job, between two pieces of work of a few milliseconds at most. In a worker process
//              nobody asks: the process is ended.
// Fails with   std::runtime_error, which whoever asked for the stop reports as the timeout or the cancellation it was.
#pragma once

#include <runner/job_context.hpp>
#include <stdexcept>

namespace runner {

[[noreturn]] inline void throw_stopped() { throw std::runtime_error("stopped before it was done"); }

inline void leave_when_stopped(const JobContext& context) {
  if (context.stop_requested()) throw_stopped();
}

}  // namespace runner
