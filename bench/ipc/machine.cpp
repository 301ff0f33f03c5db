#include "bench/ipc/machine.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "master/usable_cpus.hpp"

namespace runner::bench {

namespace {

constexpr const char* kNotTold = "not told";

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) ? line : kNotTold;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return kNotTold;
}

std::string kernel() {
  utsname name{};
  return ::uname(&name) == 0 ? fmt::format("{} {}", name.sysname, name.release) : kNotTold;
}

}  // namespace

Facts machine(const Processors& processors) {
  const master::UsableCpus usable = master::usable_cpus();
  return {
      {"cpu", cpu_model()},
      {"cores", fmt::format("{} online, {}", ::sysconf(_SC_NPROCESSORS_ONLN), processors.describe())},
      {"quota", usable.quota
                    ? fmt::format("{:.2f} processors by cgroup: what spins here is throttled, do not judge it", *usable.quota)
                    : "none"},
      {"kernel", kernel()},
      {"governor", first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")},
      {"compiler", RUNNER_BENCH_COMPILER},
      {"flags", RUNNER_BENCH_FLAGS},
      {"load before", load()},
  };
}

std::string load() {
  const std::string line = first_line("/proc/loadavg");
  const std::size_t third = line.find(' ', line.find(' ', line.find(' ') + 1) + 1);
  return line == kNotTold ? line : line.substr(0, third) + " (1, 5, 15 minutes)";
}

}  // namespace runner::bench
