// demand.hpp - what jobs occupy while they run, and how much of it there is: processors, and resources that the batch names.
//
// Called from  config makes it, the scheduler and `explain` read it. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace runner {

// Something that jobs take a number of while they run: licenses, GPUs, places at a disk.
struct Resource {
  std::string name;
  std::uint64_t count = 0;
};

// What one job takes. A batch has few different ones, and a job says which of them is its own.
struct Demand {
  std::uint32_t cpus = 1;                // places of --procs; at least 1
  std::vector<std::uint64_t> resources;  // of each of the batch's, 0 for those that it does not need; empty: of none
  std::string who;                       // the first that asks for it, for a message: "jobs.yaml:7:11: `render`"

  // One processor and nothing else: what every job takes that says nothing.
  [[nodiscard]] bool plain() const { return cpus == 1 && resources.empty(); }
};

}  // namespace runner
