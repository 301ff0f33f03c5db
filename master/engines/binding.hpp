// binding.hpp - which processor each worker gets for itself.
//
// Called from  the processes engine, once, when it opens.
// Fails with   nothing: where there are fewer cores than workers, or the topology cannot be read, nobody is bound, and the
//              engine's description says so.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include <runner/result.hpp>

namespace runner::master {

// One processor number for each of `workers`, on cores of their own among those this process may use, or nothing.
[[nodiscard]] std::vector<int> plan_cores(std::uint32_t workers);

[[nodiscard]] Result<void> bind_process(pid_t pid, int processor);

}  // namespace runner::master
