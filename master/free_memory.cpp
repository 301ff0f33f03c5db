#include "master/free_memory.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace runner::master {

namespace {

std::optional<std::uint64_t> whole(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

// The number behind "MemAvailable:" in kB, behind "inactive_file " in bytes.
std::optional<std::uint64_t> field(const std::optional<std::string>& text, std::string_view name) {
  if (!text) return std::nullopt;
  for (std::size_t line = 0; line < text->size();) {
    const std::size_t end = std::min(text->find('\n', line), text->size());
    const std::string_view all = std::string_view(*text).substr(line, end - line);
    if (all.starts_with(name)) return whole(all.substr(name.size()));
    line = end + 1;
  }
  return std::nullopt;
}

std::optional<Bytes> of_machine(const ReadFile& read, std::string_view name) {
  const std::optional<std::uint64_t> kib = field(read("/proc/meminfo"), name);
  return kib ? std::optional(Bytes{*kib * 1024}) : std::nullopt;
}

}  // namespace

std::optional<Bytes> free_memory(const ReadFile& read) {
  std::optional<Bytes> least = of_machine(read, "MemAvailable:");
  for (const CgroupFolder& folder : cgroup_folders("memory", read)) {
    const bool v2 = folder.version == 2;
    const auto number_in = [&](const char* name) { return whole(read(folder.path + name).value_or("")); };
    const std::optional<std::uint64_t> limit = number_in(v2 ? "/memory.max" : "/memory.limit_in_bytes");
    const std::optional<std::uint64_t> used = number_in(v2 ? "/memory.current" : "/memory.usage_in_bytes");
    if (!limit || !used || *limit >= std::uint64_t{1} << 60) continue;  // "max", or what no machine has: no limit
    // Pages of files that nobody has touched lately are given up before anybody is refused.
    const std::uint64_t cache =
        field(read(folder.path + "/memory.stat"), v2 ? "inactive_file " : "total_inactive_file ").value_or(0);
    const std::uint64_t taken = *used - std::min(*used, cache);
    const Bytes left{*limit - std::min(*limit, taken)};
    if (!least || left < *least) least = left;
  }
  return least;
}

std::optional<Bytes> total_memory(const ReadFile& read) {
  const std::optional<Bytes> machine = of_machine(read, "MemTotal:"), limit = cgroup_memory_limit(read);
  return machine && limit ? std::min(machine, limit) : machine ? machine : limit;
}

}  // namespace runner::master
