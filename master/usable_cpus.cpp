#include "master/usable_cpus.hpp"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <vector>

#include "ipc/os.hpp"

namespace runner::master {

namespace {

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// "max 100000" or "150000 100000".
std::optional<double> quota_v2(const std::string& text) {
  const std::size_t space = text.find(' ');
  if (space == std::string::npos) return std::nullopt;
  const std::optional<double> quota = number(text), period = number(std::string_view(text).substr(space + 1));
  if (!quota || !period || *period <= 0) return std::nullopt;
  return *quota / *period;
}

std::optional<double> quota_v1(const std::optional<std::string>& quota_text, const std::optional<std::string>& period_text) {
  if (!quota_text || !period_text) return std::nullopt;
  const std::optional<double> quota = number(*quota_text), period = number(*period_text);
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;  // -1: no limit
  return *quota / *period;
}

// The folder of a cgroup and all of its ancestors, the mount itself last. Inside a cgroup namespace the path may not exist
// below the mount: then those files are simply not there, and the mount's own remain.
std::vector<std::string> ancestors(const std::string& mount, std::string path) {
  std::vector<std::string> folders;
  while (path.size() > 1) {
    folders.push_back(mount + path);
    path.resize(path.rfind('/'));
  }
  folders.push_back(mount);
  return folders;
}

bool has_controller(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    const std::size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == wanted) return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

UsableCpus usable_cpus(std::uint32_t affinity, const ReadFile& read) {
  UsableCpus usable{.count = affinity, .affinity = affinity, .quota = {}};
  const auto limit = [&](std::optional<double> quota) {
    if (quota && (!usable.quota || *quota < *usable.quota)) usable.quota = quota;
  };
  // Lines of /proc/self/cgroup: "0::/path" (v2), "4:cpu,cpuacct:/path" (v1).
  std::istringstream lines(read("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (path.empty() || path.front() != '/') continue;
    if (controllers.empty()) {
      for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        for (const std::string& folder : ancestors(mount, path)) limit(quota_v2(read(folder + "/cpu.max").value_or("")));
      }
    } else if (has_controller(controllers, "cpu")) {
      for (const char* mount : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"}) {
        for (const std::string& folder : ancestors(mount, path)) {
          limit(quota_v1(read(folder + "/cpu.cfs_quota_us"), read(folder + "/cpu.cfs_period_us")));
        }
      }
    }
  }
  if (usable.quota) {
    // A part of a processor is worth a worker: 1.5 CPUs keep two busy most of the time.
    usable.count = std::min(affinity, static_cast<std::uint32_t>(std::max(1.0, std::ceil(*usable.quota))));
  }
  return usable;
}

UsableCpus usable_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const bool known = os::call("sched_getaffinity", ::sched_getaffinity, 0, sizeof allowed, &allowed) == 0;
  const std::uint32_t affinity = known ? static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&allowed))) : 1;
  return usable_cpus(affinity, [](const std::string& path) -> std::optional<std::string> {
    std::ifstream file(path);
    if (!file) return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
  });
}

}  // namespace runner::master
