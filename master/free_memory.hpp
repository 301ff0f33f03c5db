// free_memory.hpp - how much memory a further process could have: MemAvailable, or what the cgroup leaves of its limit.
//
// Called from  the run loop, for --memory-free; the doctor.
// Owns         nothing.
// Fails with   nothing: where neither can be read, nothing is known.
#pragma once

#include <optional>

#include <runner/units.hpp>
#include "master/cgroups.hpp"

namespace runner::master {

// The least of them.
[[nodiscard]] std::optional<Bytes> free_memory(const ReadFile& read = &read_file);
// The most that free_memory() could ever be: MemTotal, or the cgroup's limit.
[[nodiscard]] std::optional<Bytes> total_memory(const ReadFile& read = &read_file);

}  // namespace runner::master
