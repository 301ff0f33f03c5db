// oom_kills.hpp - how often the kernel has ended a process of our memory cgroup for want of memory.
//
// Called from  the thread that asks whether a SIGKILL was one of those.
// Owns         the last count.
// Fails with   cannot fail: without a memory cgroup of either version there is no count, and it never says so.
#pragma once

#include <cstdint>
#include <optional>

#include "master/cgroups.hpp"

namespace runner::master {

class OomKills {
 public:
  explicit OomKills(ReadFile read = &read_file) : read_(std::move(read)), last_(count()) {}
  // Whether there was one since the last time that it was asked.
  [[nodiscard]] bool more();

 private:
  [[nodiscard]] std::optional<std::uint64_t> count() const;
  ReadFile read_;
  std::optional<std::uint64_t> last_;
};

}  // namespace runner::master
