// executor.hpp - runs one job here and now, on the calling thread, and says how it ended.
//
// The master sees the worker's half of a job through this header alone: it brings execute() for typed jobs, and run_command()
// and Command (command.hpp) for the others.
//
// Called from  a worker's only thread, or a thread of an in-process engine. Reentrant.
// Owns         nothing between calls but, per thread, the last reading of that thread's processor clock.
// Fails with   never: whatever the job does short of killing the process becomes an Outcome. An exception out of a job's
//              code is caught here (Failed with its what()), and by the coroutines of the async engine.
//
// Processor time costs a system call to read, more than a short job takes. So a job of less than 20 us is taken to have
// computed all the while it lasted (whoever sleeps is away for longer), and the clock is read at the end of longer ones only.
// What it showed when the job began is carried forward from the last reading, at most 1 ms old, across short jobs and gaps of
// less than 10 us between them, in which nothing can have slept; else it is read anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string_view>

#include "runner/call.hpp"
#include "runner/job_context.hpp"
#include "runner/kind.hpp"
#include "runner/outcome.hpp"
#include "worker/command.hpp"

namespace runner::worker {

struct Executed {
  Outcome outcome;
  TimePoint entered{};  // the job's own code; where its arguments could not be read: when that was known
};

// `args` is the wire form. Wall and CPU time are those of the calling thread inside the job's own code: its arguments are read
// before, its result is written afterwards. A result of more than `max_result` bytes fails the job.
[[nodiscard]] Executed execute(const Kind& kind, std::span<const std::byte> args, JobContext& context,
                               std::uint64_t max_result);

// The items of a request for calls. Nothing: all is with the sink. Else why the item that it entered last failed.
[[nodiscard]] std::optional<Failed> execute(Trampoline trampoline, CallItems& call);

// Fails the outcome of a job that succeeded with a result of more than `max_result` bytes, as execute() does.
void limit_result(Outcome& outcome, std::uint64_t max_result);

// What is said of a job whose code threw this: no more than its first 64 KiB.
[[nodiscard]] Failed failure_of(const std::exception_ptr& thrown);

}  // namespace runner::worker
