#include "report/machine.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "master/cgroups.hpp"
#include "master/free_memory.hpp"
#include "master/usable_cpus.hpp"

namespace runner::report {

namespace {

using Json = nlohmann::ordered_json;

std::optional<std::string> first_line(const char* path) {
  std::optional<std::string> text = master::read_file(path);
  if (!text || text->empty()) return std::nullopt;
  return text->substr(0, text->find('\n'));
}

std::optional<std::string> cpu_model() {
  const std::string text = master::read_file("/proc/cpuinfo").value_or("");
  const std::size_t at = text.find("model name");
  if (at == std::string::npos) return std::nullopt;
  const std::size_t colon = text.find(": ", at), end = text.find('\n', at);
  if (colon == std::string::npos || colon > end) return std::nullopt;
  return text.substr(colon + 2, end - colon - 2);
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

Json machine() {
  const master::UsableCpus usable = master::usable_cpus();
  const std::optional<Bytes> memory = master::total_memory();
  utsname name{};
  const bool known = ::uname(&name) == 0;
  const std::string load = first_line("/proc/loadavg").value_or("");
  return {{"cpu", or_null(cpu_model())},
          {"cpus_online", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"cpus_usable", usable.count},
          {"quota_cpus", or_null(usable.quota)},
          {"memory_bytes", memory ? Json(memory->count) : Json(nullptr)},
          {"kernel", known ? Json(fmt::format("{} {}", name.sysname, name.release)) : Json(nullptr)},
          {"governor", or_null(first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))},
          {"load", load.empty() ? Json(nullptr) : Json(load.substr(0, load.find(' ')))},
          {"compiler", fmt::format("g++ {}.{}", __GNUC__, __GNUC_MINOR__)},
#ifdef __OPTIMIZE__
          {"build", "optimized"}};
#else
          {"build", "not optimized"}};
#endif
}

}  // namespace runner::report
