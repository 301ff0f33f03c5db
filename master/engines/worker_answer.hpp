// worker_answer.hpp - what a worker's answer, or its death, says of a job.
//
// Bytes of a worker are input, as its death is: both are judged here before anything counts them.
//
// Called from  the run loop's thread. Pure.
// Owns         nothing.
// Fails with   check_answer: protocol when no worker that keeps the rules says that, system when the master cannot take it.
#pragma once

#include <optional>
#include <string>

#include <runner/outcome.hpp>
#include <runner/registry.hpp>
#include <runner/result.hpp>
#include "ipc/job_requester.hpp"
#include "master/engine.hpp"
#include "master/engines/worker_process.hpp"

namespace runner::master {

// A reply that reads well may still tell of times that would overflow a sum, or bring bytes that are no result of its kind.
// `at`: when it was collected; `opened`: when the engine was.
[[nodiscard]] Result<void> check_answer(const ipc::Completion& completion, const JobSpec& job, const Registry& registry,
                                        TimePoint opened, TimePoint at);

// Why a worker died, as far as we know more than the kernel does. Empty texts: not so.
struct Cause {
  std::optional<StopReason> stopping;  // the job that it ran was to stop
  bool killed = false;                 // by us, for that
  std::string broke_rules;             // what it sent that it must not, and was ended for
  std::string out_of_memory;           // who ended it for want of memory, and why
};
[[nodiscard]] Ending ending_by_death(const JobSpec& job, const WorkerProcess::Death& death, const Cause& cause);

}  // namespace runner::master
