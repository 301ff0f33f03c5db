#include "cli/shares.hpp"

#include <algorithm>

#include "master/engines/processes.hpp"

namespace runner::cli {

std::uint32_t default_procs(const master::UsableCpus& cpus, const master::Processors& list) {
  const std::uint32_t usable = std::min(cpus.count, master::kMostProcs);
  return list.empty() ? usable : std::min(usable, static_cast<std::uint32_t>(list.size()));
}

std::uint32_t most_cpus(std::span<const Demand> demands) {
  std::uint32_t most = 1;
  for (const Demand& demand : demands) most = std::max(most, demand.cpus);
  return most;
}

std::uint32_t threads_of_place(master::Bind bind, std::uint32_t widest, std::uint32_t places, const master::UsableCpus& cpus) {
  const bool single = (bind == master::Bind::core || bind == master::Bind::list) && widest == 1;
  return single ? 1 : std::max(1U, cpus.count / std::max(1U, places));
}

}  // namespace runner::cli
