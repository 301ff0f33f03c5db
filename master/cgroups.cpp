#include "master/cgroups.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>

namespace runner::master {

namespace {

// The folder of a cgroup and all of its ancestors, the mount itself last. Inside a cgroup namespace the path may not exist
// below the mount: then those files are simply not there, and the mount's own remain.
void add_ancestors(const std::string& mount, std::string path, int version, std::vector<CgroupFolder>& folders) {
  while (path.size() > 1) {
    folders.push_back({mount + path, version});
    path.resize(path.rfind('/'));
  }
  folders.push_back({mount, version});
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

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<CgroupFolder> cgroup_folders(std::string_view controller, const ReadFile& read) {
  std::vector<CgroupFolder> folders;
  // Lines of /proc/self/cgroup: "0::/path" (v2), "4:cpu,cpuacct:/path" (v1).
  std::istringstream lines(read("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (path.empty() || path.front() != '/') continue;
    if (controllers.empty()) {
      for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) add_ancestors(mount, path, 2, folders);
    } else if (has_controller(controllers, controller)) {
      const std::string mount = "/sys/fs/cgroup/";
      add_ancestors(mount + std::string(controller), path, 1, folders);
      if (controllers != controller) add_ancestors(mount + controllers, path, 1, folders);
    }
  }
  return folders;
}

std::optional<Bytes> cgroup_memory_limit(const ReadFile& read) {
  std::optional<Bytes> limit;
  for (const CgroupFolder& folder : cgroup_folders("memory", read)) {
    const std::string text = read(folder.path + (folder.version == 2 ? "/memory.max" : "/memory.limit_in_bytes")).value_or("");
    std::uint64_t bytes = 0;  // "max", or what no machine has: no limit
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (error != std::errc() || end == text.data() || bytes >= std::uint64_t{1} << 60) continue;
    if (!limit || bytes < limit->count) limit = Bytes{bytes};
  }
  return limit;
}

}  // namespace runner::master
