#include "bench/ipc/placement.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

namespace runner::bench {

namespace {

// Two processors of one core share their caches: between them a cache line does not travel.
std::string core_of(int cpu) {
  std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
  std::string siblings;
  return std::getline(file, siblings) ? siblings : std::to_string(cpu);
}

void bind_process(const std::vector<int>& cpus, pid_t process = 0) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(process, sizeof set, &set) < 0)
    throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
}

}  // namespace

std::string to_string(Placement placement) {
  switch (placement) {
    case Placement::same_core: return "same core";
    case Placement::other_core: return "other core";
    case Placement::anywhere: return "anywhere";
  }
  return {};
}

Processors Processors::discover() {
  Processors found;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  // More processors than a cpu_set_t holds: the kernel refuses, and we stay where we are.
  if (::sched_getaffinity(0, sizeof allowed, &allowed) < 0)
    CPU_SET(static_cast<std::size_t>(std::max(0, ::sched_getcpu())), &allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) found.usable_.push_back(cpu);
  }
  const int first = found.usable_.front();
  const auto other =
      std::find_if(found.usable_.begin(), found.usable_.end(), [&](int cpu) { return core_of(cpu) != core_of(first); });
  if (other != found.usable_.end()) {
    found.other_ = *other;
  } else if (found.usable_.size() > 1) {
    found.other_ = found.usable_[1];
    found.remark_ = "other core: all usable processors are threads of one core, so it is another thread of it";
  } else {
    found.remark_ = "other core: missing, only processor " + std::to_string(first) + " is usable (affinity)";
  }
  return found;
}

std::string Processors::describe() const {
  std::string text = std::to_string(usable_.size()) + " usable by affinity; parent on " + std::to_string(usable_.front());
  if (other_) text += ", other core: " + std::to_string(*other_);
  return text;
}

bool Processors::crowded(Placement placement, std::size_t processes) const {
  switch (placement) {
    case Placement::same_core: return true;
    case Placement::other_core: return processes > 2;
    case Placement::anywhere: return processes > usable_.size();
  }
  return true;
}

void Processors::bind_to_two() const { bind_process({usable_.front(), other_.value_or(usable_.front())}); }

void Processors::bind_parent(Placement placement) const {
  bind_process(placement == Placement::anywhere ? usable_ : std::vector{usable_.front()});
}

void Processors::bind_child(Placement placement, pid_t child) const {
  switch (placement) {
    case Placement::same_core: return bind_process({usable_.front()}, child);
    case Placement::other_core: return bind_process({other_.value()}, child);
    case Placement::anywhere: return bind_process(usable_, child);
  }
}

}  // namespace runner::bench
