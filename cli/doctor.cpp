#include "cli/doctor.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <runner/unique_fd.hpp>
#include "cli/complain.hpp"
#include "cli/print.hpp"
#include "cli/shares.hpp"
#include "ipc/thread_caps.hpp"
#include "master/delegation.hpp"
#include "master/engines/binding.hpp"
#include "master/engines/processes.hpp"
#include "master/free_memory.hpp"
#include "master/usable_cpus.hpp"
#include "report/printable.hpp"

namespace runner::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kColumns = 80, kIndent = 14;

// What was found, for a person and for a program, side by side so that neither is told less.
struct Finding {
  std::string_view about;
  std::vector<std::string> sentences;
  std::string_view key;
  Json value;
};

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

Json size_or_null(const std::optional<Bytes>& size) { return size ? Json(size->count) : Json(nullptr); }
std::string size_or_unknown(const std::optional<Bytes>& size) { return size ? format_size(*size) : "unknown"; }

std::string text_in(const char* path) {
  std::string text = master::read_file(path).value_or("");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return report::printable(text);
}

Finding system() {
  utsname name{};
  const bool known = ::uname(&name) == 0;
  const std::string kernel = known ? fmt::format("{} {} ({})", name.sysname, name.release, name.machine) : "unknown";
  return {"system", {kernel}, "kernel", kernel};
}

Finding cpus(const master::UsableCpus& usable, const master::Processors& allowed) {
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  const std::string quota = usable.quota ? fmt::format("{:.2f} processors", *usable.quota) : "none";
  return {
      "CPUs",
      {fmt::format("{} usable: the least of", usable.count),
       fmt::format("affinity mask: {} ({} of {} online)", report::printable(master::text_of(allowed)), usable.affinity, online),
       fmt::format("cgroup quota along the full path: {}", quota)},
      "cpus",
      {{"usable", usable.count},
       {"affinity", allowed},
       {"online", online},
       {"quota", usable.quota ? Json(*usable.quota) : Json(nullptr)}}};
}

Json lists_of(const std::vector<master::Processors>& level) {
  Json lists = Json::array();
  for (const master::Processors& part : level) lists.push_back(master::text_of(part));
  return lists;
}

Finding topology(const master::Topology& machine) {
  const auto level = [](const std::vector<master::Processors>& parts, std::string_view one, std::string_view many) {
    std::string text = counted(parts.size(), one, many);
    constexpr std::size_t most = 8;
    for (std::size_t i = 0; i < std::min(parts.size(), most); ++i) text += (i == 0 ? ": " : " | ") + master::text_of(parts[i]);
    return text + (parts.size() > most ? " | ..." : "");
  };
  return {"topology",
          {level(machine.cores, "core", "cores"), level(machine.l3, "L3 cache", "L3 caches"),
           level(machine.numa, "NUMA node", "NUMA nodes")},
          "topology",
          {{"cores", lists_of(machine.cores)}, {"l3", lists_of(machine.l3)}, {"numa", lists_of(machine.numa)}}};
}

Finding memory() {
  const std::optional<Bytes> total = master::total_memory(), free = master::free_memory(),
                             limit = master::cgroup_memory_limit();
  return {"memory",
          {fmt::format("{} in all, {} free", size_or_unknown(total), size_or_unknown(free)),
           fmt::format("limit of the cgroup: {}", limit ? format_size(*limit) : "none")},
          "memory",
          {{"total", size_or_null(total)}, {"free", size_or_null(free)}, {"cgroup_limit", size_or_null(limit)}}};
}

Finding limits() {
  Finding found{"limits", {}, "limits", Json::object()};
  const auto add = [&found](std::string_view name, std::string_view key, __rlimit_resource which) {
    rlimit limit{};
    if (::getrlimit(which, &limit) != 0) return;
    const auto text = [](rlim_t one) { return one == RLIM_INFINITY ? std::string("unlimited") : std::to_string(one); };
    found.sentences.push_back(
        fmt::format("{}: {}{}", name, text(limit.rlim_cur),
                    limit.rlim_max == limit.rlim_cur ? "" : fmt::format(", may be raised to {}", text(limit.rlim_max))));
    const auto json = [](rlim_t one) { return one == RLIM_INFINITY ? Json(nullptr) : Json(one); };
    found.value[std::string(key)] = {{"soft", json(limit.rlim_cur)}, {"hard", json(limit.rlim_max)}};
  };
  add("open files", "open_files", RLIMIT_NOFILE);
  add("processes", "processes", RLIMIT_NPROC);
  add("address space in bytes", "address_space", RLIMIT_AS);
  add("file size in bytes", "file_size", RLIMIT_FSIZE);
  add("CPU seconds", "cpu_seconds", RLIMIT_CPU);
  add("core file in bytes", "core_file", RLIMIT_CORE);
  const std::string pattern = text_in("/proc/sys/kernel/core_pattern");
  found.sentences.push_back("core files go to: " + (pattern.empty() ? std::string("unknown") : pattern));
  found.value["core_pattern"] = pattern;
  return found;
}

Finding cgroups(const master::Delegation& delegated) {
  Finding found{"cgroups", {}, "cgroups", Json::object()};
  if (delegated.folder.empty()) {
    found.sentences.push_back(delegated.why_none);
  } else {
    found.sentences.push_back("v2 at " + report::printable(delegated.folder));
    found.sentences.push_back(delegated.groups ? "groups can be made below it (delegated)"
                                               : "not delegated: " + delegated.why_none);
    found.sentences.push_back(delegated.memory ? "their memory can be limited"
                                               : "memory cannot be limited: " + delegated.no_memory);
  }
  found.value = {{"v2", delegated.folder.empty() ? Json(nullptr) : Json(delegated.folder)},
                 {"delegated", delegated.groups},
                 {"why_not", delegated.why_none},
                 {"memory", delegated.memory},
                 {"why_no_memory", delegated.no_memory}};
  return found;
}

// Calls that a container's filter may refuse, tried.
Finding filters() {
  const int mode = ::prctl(PR_GET_SECCOMP);
  const std::string seccomp = mode == 0 ? "none" : mode == 2 ? "a filter is installed" : mode == 1 ? "strict" : "unknown";
  std::vector<std::string> missing;
  const auto try_call = [&missing](const char* name, long result) {
    if (result < 0) missing.push_back(fmt::format("{} ({})", name, std::strerror(errno)));
    return static_cast<int>(result);
  };
  const UniqueFd shared(try_call("memfd_create", ::memfd_create("doctor", MFD_CLOEXEC)));
  const UniqueFd process(try_call("pidfd_open", ::syscall(SYS_pidfd_open, ::getpid(), 0)));
  try_call("membarrier", ::syscall(SYS_membarrier, 0, 0, 0));
  try_call("sched_setaffinity", master::bind_process(0, master::allowed_processors()) ? 0 : -1);
  std::vector<std::string> sentences{"seccomp: " + seccomp};
  sentences.push_back(missing.empty() ? "the system calls that workers need are allowed"
                                      : fmt::format("refused: {}; runs will fail, or go slower", fmt::join(missing, ", ")));
  return {"filters", sentences, "seccomp", {{"mode", mode}, {"refused", missing}}};
}

Finding use(const DoctorOptions& options, const master::UsableCpus& usable, std::uint32_t places,
            const master::Topology& machine) {
  const master::Placement placed = master::place(machine, {options.bind, options.processors, 1}, places);
  std::string why;
  if (options.procs) {
    why = "as --procs says";
  } else if (!options.processors.empty() && options.processors.size() < usable.count) {
    why = "one for each processor of --bind";
  } else {
    why = usable.quota && usable.count < usable.affinity ? "one for each processor of the cgroup's quota"
                                                         : "one for each usable processor";
  }
  std::string bound = placed.text;
  if (placed.seats.empty() && options.bind == master::Bind::core) {
    bound += fmt::format(": there are more workers than cores ({})", machine.cores.size());
  } else if (placed.seats.empty() && options.bind != master::Bind::none && machine.allowed.size() < places) {
    bound += fmt::format(": there are more workers than processors ({})", machine.allowed.size());
  }
  return {"a run uses",
          {fmt::format("{}, {}", counted(places, "worker process", "worker processes"), why), bound,
           "jobs with `cpus` above 1 in a batch: nobody is bound to a single core"},
          "use",
          {{"procs", places}, {"why", why}, {"binding", bound}}};
}

Finding threads(const DoctorOptions& options, const master::UsableCpus& usable, std::uint32_t places) {
  const ipc::ThreadCaps caps = ipc::ThreadCaps::plan(threads_of_place(options.bind, 1, places, usable));
  std::vector<std::string> sentences{fmt::format("{} for each place of a job", caps.threads)};
  if (!caps.ours.empty()) sentences.push_back(fmt::format("set: {}", fmt::join(caps.ours, " ")));
  if (!caps.theirs.empty()) sentences.push_back(fmt::format("yours, kept: {}", fmt::join(caps.theirs, " ")));
  return {"threads", sentences, "threads", {{"each", caps.threads}, {"set", caps.ours}, {"kept", caps.theirs}}};
}

Finding policing(const master::Delegation& delegated) {
  const std::string_view watched = "by looking at the resident memory of its processes every 20 ms";
  std::vector<std::string> sentences;
  if (delegated.memory) {
    sentences.emplace_back("a command above `memory`: by its cgroup");
    sentences.push_back(fmt::format("a typed job above `memory`: {}", watched));
  } else {
    sentences.push_back(fmt::format("a job above `memory`: {}; not by a cgroup: {}", watched, delegated.no_memory));
  }
  const std::string_view found = "by process group and what is found below in /proc, stopped and then killed";
  sentences.push_back(delegated.groups
                          ? fmt::format("all that a command has started: by cgroup.kill, and {}", found)
                          : fmt::format("all that a job has started: {}; not by cgroup.kill: {}", found, delegated.why_none));
  sentences.emplace_back("all that is left when the runner itself dies: by a guardian process");
  return {"jobs ended",
          sentences,
          "enforcement",
          {{"memory", delegated.memory ? "cgroup" : "watched"},
           {"trees", delegated.groups ? "cgroup.kill" : "process groups and /proc"}}};
}

// Lines of at most kColumns, each sentence on a line of its own, what is too long going on below.
std::string page(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& found : findings) {
    std::string_view label = found.about;
    for (const std::string& sentence : found.sentences) {
      std::string line = fmt::format("{:<{}}", std::exchange(label, {}), kIndent);
      std::size_t words = 0;
      for (std::size_t begin = 0; begin < sentence.size();) {
        const std::size_t end = std::min(sentence.find(' ', begin), sentence.size());
        const std::string_view word = std::string_view(sentence).substr(begin, end - begin);
        if (words != 0 && report::columns_of(line) + 1 + report::columns_of(word) > kColumns) {
          text += line + '\n';
          line = std::string(kIndent + 2, ' ');
          words = 0;
        }
        line.append(words++ == 0 ? "" : " ").append(word);
        begin = end + 1;
      }
      text += line + '\n';
    }
  }
  return text;
}

}  // namespace

int examine(const DoctorOptions& options) {
  const master::UsableCpus usable = master::usable_cpus();
  const master::Topology machine = master::read_topology();
  const master::Delegation delegated = master::delegation();
  const std::uint32_t places = options.procs.value_or(default_procs(usable, options.processors));
  const std::vector<Finding> findings{system(),
                                      cpus(usable, machine.allowed),
                                      topology(machine),
                                      memory(),
                                      limits(),
                                      cgroups(delegated),
                                      filters(),
                                      use(options, usable, places, machine),
                                      threads(options, usable, places),
                                      policing(delegated)};
  if (!options.json) return print(page(findings));
  Json all = Json::object();
  for (const Finding& found : findings) all[std::string(found.key)] = found.value;
  return print(all.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
}

}  // namespace runner::cli
