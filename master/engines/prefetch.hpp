// prefetch.hpp - how many jobs a worker may hold, decided from how long such jobs took.
//
// Pure. Short jobs stream: a queue worth about half a millisecond of work means that the worker never waits for its master,
// and that the master wakes once for many. Long jobs do not queue behind each other: the next one stays with the master, where
// any worker that falls idle can have it. A command is the exception: one more is always queued, so that no wake-up lies
// between two commands.
//
// Called from  the processes engine.
// Owns         one running mean per kind, an exponentially weighted one (weight 1/8, as TCP's smoothed round-trip time).
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <runner/units.hpp>

namespace runner::master {

class Prefetch {
 public:
  static constexpr Duration kWindow = std::chrono::microseconds(500);

  // Nothing is known about a kind before its first completion: it is taken to be long.
  [[nodiscard]] Duration expected(std::string_view kind) const {
    const auto found = means_.find(kind);
    return found == means_.end() ? kWindow : std::max(found->second, kLeast);
  }

  [[nodiscard]] bool known(std::string_view kind) const { return means_.contains(kind); }

  void learn(std::string_view kind, Duration took) {
    const auto found = means_.find(kind);
    Duration& mean = found != means_.end() ? found->second : means_.emplace(std::string(kind), took).first->second;
    mean += (took - mean) / 8;
  }

  // How many more jobs of expected length `each` a worker may get that holds `held` jobs worth `queued`.
  [[nodiscard]] static std::uint32_t more(std::uint32_t held, Duration queued, Duration each) {
    if (held == 0) return static_cast<std::uint32_t>(std::max<std::int64_t>(1, kWindow / each));
    return queued >= kWindow ? 0 : static_cast<std::uint32_t>((kWindow - queued) / each);
  }

 private:
  // Even an empty job costs its worker about this much between two slots.
  static constexpr Duration kLeast = std::chrono::nanoseconds(500);
  std::map<std::string, Duration, std::less<>> means_;
};

}  // namespace runner::master
