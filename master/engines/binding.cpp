#include "master/engines/binding.hpp"

#include <hwloc.h>
#include <sched.h>

#include <algorithm>
#include <charconv>

#include "ipc/os.hpp"

namespace runner::master {

namespace {

constexpr int kMostProcessors = CPU_SETSIZE;

Processors members(const cpu_set_t& set) {
  Processors all;
  for (int i = 0; i < kMostProcessors; ++i) {
    if (CPU_ISSET(static_cast<std::size_t>(i), &set)) all.push_back(i);
  }
  return all;
}

void add_level(hwloc_topology_t topology, hwloc_obj_type_t type, const Processors& allowed, std::vector<Processors>& level) {
  for (hwloc_obj_t one = nullptr; (one = hwloc_get_next_obj_by_type(topology, type, one)) != nullptr;) {
    if (one->cpuset == nullptr) continue;
    Processors usable;
    for (const int processor : allowed) {
      if (hwloc_bitmap_isset(one->cpuset, static_cast<unsigned>(processor)) == 1) usable.push_back(processor);
    }
    if (!usable.empty()) level.push_back(std::move(usable));
  }
}

// Workers go round the parts, so that each has about as many.
Placement around(const std::vector<Processors>& parts, std::uint32_t workers, std::string text) {
  Placement placement{{}, std::move(text)};
  for (std::uint32_t i = 0; i < workers; ++i) placement.seats.push_back(parts[i % parts.size()]);
  return placement;
}

Placement nobody(std::string_view whom) { return {{}, "not bound to " + std::string(whom)}; }

Placement around_level(const std::vector<Processors>& level, const BindOptions& options, std::uint32_t workers,
                       const std::string& one, std::string_view many) {
  if (level.empty()) return nobody(std::string(many) + ", none is known");
  const auto least =
      std::min_element(level.begin(), level.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  if (least->size() < options.widest) return nobody(std::string(many) + ", a job takes more");
  return around(level, workers,
                "each bound to one of " + std::to_string(level.size()) + " " + (level.size() == 1 ? one : std::string(many)));
}

}  // namespace

Result<Processors> parse_processors(std::string_view text) {
  Processors list;
  const auto wrong = [text] {
    return fail(ErrorCode::usage,
                "`" + std::string(text) + "` is none of core, l3, numa, none, and no list of processors such as 0,2,4-7");
  };
  const auto number = [](std::string_view word) -> std::optional<int> {
    int value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool well = error == std::errc() && end == word.data() + word.size() && value >= 0 && value < kMostProcessors;
    return well ? std::optional(value) : std::nullopt;
  };
  for (std::string_view left = text;;) {
    const std::string_view word = left.substr(0, left.find(','));
    const std::size_t dash = word.find('-');
    const std::optional<int> first = number(word.substr(0, dash));
    const std::optional<int> last = dash == std::string_view::npos ? first : number(word.substr(dash + 1));
    if (!first || !last || *last < *first) return wrong();
    for (int i = *first; i <= *last; ++i) list.push_back(i);
    if (word.size() == left.size()) break;
    left.remove_prefix(word.size() + 1);
  }
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

std::string text_of(const Processors& processors) {
  std::string text;
  for (std::size_t i = 0; i < processors.size();) {
    std::size_t end = i + 1;
    while (end < processors.size() && processors[end] == processors[end - 1] + 1) ++end;
    text += (text.empty() ? "" : ",") + std::to_string(processors[i]);
    if (end - i > 1) text += (end - i > 2 ? "-" : ",") + std::to_string(processors[end - 1]);
    i = end;
  }
  return text;
}

Processors allowed_processors() { return binding_of(0).value_or(Processors{}); }

Topology read_topology() {
  Topology machine{allowed_processors(), {}, {}, {}};
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return machine;
  hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_CORE, HWLOC_OBJ_L3CACHE}) {
    hwloc_topology_set_type_filter(topology, type, HWLOC_TYPE_FILTER_KEEP_ALL);
  }
  if (hwloc_topology_load(topology) == 0) {
    add_level(topology, HWLOC_OBJ_CORE, machine.allowed, machine.cores);
    add_level(topology, HWLOC_OBJ_L3CACHE, machine.allowed, machine.l3);
    add_level(topology, HWLOC_OBJ_NUMANODE, machine.allowed, machine.numa);
  }
  hwloc_topology_destroy(topology);
  return machine;
}

Placement place(const Topology& topology, const BindOptions& options, std::uint32_t workers) {
  const bool alone = options.widest == 1;  // one processor is enough for every job
  switch (options.bind) {
    case Bind::none: break;
    case Bind::core: {
      if (!alone || topology.cores.size() < workers) break;
      Placement placement{{}, "each bound to a core"};
      // The first hardware thread of the core that we may use.
      for (std::uint32_t i = 0; i < workers; ++i) placement.seats.push_back({topology.cores[i].front()});
      return placement;
    }
    case Bind::l3:
    case Bind::numa: {
      if (topology.allowed.size() < workers) break;
      return options.bind == Bind::l3 ? around_level(topology.l3, options, workers, "L3 cache", "L3 caches")
                                      : around_level(topology.numa, options, workers, "NUMA node", "NUMA nodes");
    }
    case Bind::list: {
      const std::string which = (options.list.size() == 1 ? "processor " : "processors ") + text_of(options.list);
      if (!alone || options.list.size() < workers) return around({options.list}, workers, "bound to " + which);
      std::vector<Processors> single;
      for (const int processor : options.list) single.push_back({processor});
      return around(single, workers, "each bound to one of " + which);
    }
  }
  return nobody("cores");
}

Placement place(const BindOptions& options, std::uint32_t workers) {
  Topology known;
  known.allowed = allowed_processors();
  const bool hopeless = options.bind != Bind::list && workers > known.allowed.size();
  const bool needs_no_more =
      options.bind == Bind::none || options.bind == Bind::list || (options.bind == Bind::core && options.widest != 1);
  return place(hopeless || needs_no_more ? known : read_topology(), options, workers);
}

Result<void> bind_process(pid_t pid, const Processors& processors) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int processor : processors) CPU_SET(static_cast<std::size_t>(processor), &set);
  if (os::call("sched_setaffinity", ::sched_setaffinity, pid, sizeof set, &set) != 0) {
    return os::failure("bind a worker to processors", "sched_setaffinity");
  }
  return {};
}

std::optional<Processors> binding_of(pid_t pid) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (os::call("sched_getaffinity", ::sched_getaffinity, pid, sizeof set, &set) != 0) return std::nullopt;
  return members(set);
}

}  // namespace runner::master
