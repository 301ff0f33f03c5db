#include "master/engines/binding.hpp"

#include <hwloc.h>
#include <sched.h>

#include "ipc/os.hpp"

namespace runner::master {

std::vector<int> plan_cores(std::uint32_t workers) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (os::call("sched_getaffinity", ::sched_getaffinity, 0, sizeof allowed, &allowed) != 0) return {};
  // Reading the topology costs milliseconds: not for a plan that cannot work out.
  if (workers > static_cast<std::uint32_t>(CPU_COUNT(&allowed))) return {};

  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return {};
  hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
  hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
  std::vector<int> plan;
  if (hwloc_topology_load(topology) == 0) {
    for (hwloc_obj_t core = nullptr; (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)) != nullptr;) {
      // The first hardware thread of the core that we may use.
      for (int pu = hwloc_bitmap_first(core->cpuset); pu >= 0; pu = hwloc_bitmap_next(core->cpuset, pu)) {
        if (pu < CPU_SETSIZE && CPU_ISSET(static_cast<std::size_t>(pu), &allowed)) {
          plan.push_back(pu);
          break;
        }
      }
    }
  }
  hwloc_topology_destroy(topology);
  if (plan.size() < workers) return {};
  plan.resize(workers);
  return plan;
}

Result<void> bind_process(pid_t pid, int processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(processor), &one);
  if (os::call("sched_setaffinity", ::sched_setaffinity, pid, sizeof one, &one) != 0) {
    return os::failure("bind a worker to a core", "sched_setaffinity");
  }
  return {};
}

}  // namespace runner::master
