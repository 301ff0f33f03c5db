// usable_cpus.hpp - how many processors this process can really use: min(affinity, cgroup quota along the full path).
//
// The host's CPU count inside a container's quota would start too many workers. Both cgroup versions are read; in each, every
// ancestor's limit counts.
//
// Called from  any thread, at start.
// Fails with   nothing: a file that is missing or unreadable sets no limit.
#pragma once

#include <cstdint>
#include <optional>

#include "master/cgroups.hpp"

namespace runner::master {

struct UsableCpus {
  std::uint32_t count = 1;      // at least 1
  std::uint32_t affinity = 1;   // processors in the affinity mask
  std::optional<double> quota;  // processors' worth of time per period, where one is set
};

[[nodiscard]] UsableCpus usable_cpus();

// The same from texts: `read` gives a file's content, or nothing. `affinity` as the kernel says. For tests.
[[nodiscard]] UsableCpus usable_cpus(std::uint32_t affinity, const ReadFile& read);

}  // namespace runner::master
