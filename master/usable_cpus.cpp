#include "master/usable_cpus.hpp"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

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

}  // namespace

UsableCpus usable_cpus(std::uint32_t affinity, const ReadFile& read) {
  UsableCpus usable{.count = affinity, .affinity = affinity, .quota = {}};
  const auto limit = [&](std::optional<double> quota) {
    if (quota && (!usable.quota || *quota < *usable.quota)) usable.quota = quota;
  };
  for (const CgroupFolder& folder : cgroup_folders("cpu", read)) {
    limit(folder.version == 2 ? quota_v2(read(folder.path + "/cpu.max").value_or(""))
                              : quota_v1(read(folder.path + "/cpu.cfs_quota_us"), read(folder.path + "/cpu.cfs_period_us")));
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
  return usable_cpus(affinity, &read_file);
}

}  // namespace runner::master
