// executor.hpp - runs one job here and now, on the calling thread, and says how it ended.
//
// Called from  a worker's only thread, or a thread of an in-process engine. Reentrant.
// Owns         nothing between calls.
// Fails with   never: whatever the job does short of killing the process becomes an Outcome. An exception out of a job's
//              code is caught here and nowhere else (Failed with its what()).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "runner/job_context.hpp"
#include "runner/kind.hpp"
#include "runner/outcome.hpp"

namespace runner::worker {

// `args` is the wire form. Wall and CPU time are those of the calling thread inside the job's code.
[[nodiscard]] Outcome execute(const Kind& kind, std::span<const std::byte> args, JobContext& context);

}  // namespace runner::worker
