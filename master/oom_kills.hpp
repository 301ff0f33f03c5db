// oom_kills.hpp - how often the kernel has ended a process of our memory cgroup for want of memory.
//
// Called from  the thread that asks whether a SIGKILL was one of those.
// Owns         the last count, and how many of those kills no death has been put down to yet.
// Fails with   cannot fail: without a memory cgroup of either version there is no count, and it never says so.
#pragma once

#include <cstdint>
#include <optional>

#include <runner/units.hpp>
#include "master/cgroups.hpp"

namespace runner::master {

class OomKills {
 public:
  explicit OomKills(ReadFile read = &read_file) : read_(std::move(read)), last_(count()) {}
  // Whether one of them explains a death seen at `now`. Each explains one death: several workers may be ended at once, and are
  // reaped one by one. One that ended nobody we wait for (a command's child) explains nothing a second later.
  [[nodiscard]] bool take(TimePoint now);

 private:
  [[nodiscard]] std::optional<std::uint64_t> count() const;
  ReadFile read_;
  std::optional<std::uint64_t> last_;
  std::uint64_t unexplained_ = 0;
  TimePoint grown_{};
};

}  // namespace runner::master
