#include "master/crew_size.hpp"

#include <algorithm>

namespace runner::master {

CrewSize crew_size(std::int64_t more, const CrewLimits& limits) {
  const std::int64_t now = limits.procs;
  if (more > 0 && limits.stopping) return {limits.procs, "no more workers: nothing more is started"};
  if (more > 0) {
    const std::int64_t most = std::max<std::int64_t>(now, limits.most);
    if (now + more <= most) return {static_cast<std::uint32_t>(now + more), {}};
    return {static_cast<std::uint32_t>(most), "no more workers: " + std::to_string(most) + " are the most there can be"};
  }
  const std::int64_t needed = limits.widest != nullptr ? limits.widest->cpus : 1;
  const std::int64_t spare = std::max<std::int64_t>(0, limits.cpus - needed);
  const std::int64_t least = std::max<std::int64_t>(1, now - spare);
  if (now + more >= least) return {static_cast<std::uint32_t>(now + more), {}};
  if (least == 1) return {1, "no fewer workers: one is the least"};
  return {static_cast<std::uint32_t>(least),
          "no fewer workers: " + limits.widest->who + " needs " + std::to_string(needed) + " CPUs, and could never start"};
}

}  // namespace runner::master
