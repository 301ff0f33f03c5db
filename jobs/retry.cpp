#include "runner/retry.hpp"

#include <algorithm>
#include <cmath>
#include <variant>

#include "runner/overloaded.hpp"

namespace runner {

namespace {

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): neighbours become strangers.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

bool RetryOn::includes(const Ending& ending) const {
  return std::visit(Overloaded{[](const Succeeded&) { return false; }, [this](const Failed&) { return failed; },
                               [this](const Crashed&) { return crashed; }, [this](const TimedOut&) { return timed_out; },
                               [](const Cancelled&) { return false; }, [this](const OutOfMemory&) { return out_of_memory; }},
                    ending);
}

Duration Backoff::after(JobId job, Attempt attempt) const {
  if (initial <= Duration::zero()) return Duration::zero();
  const double most = static_cast<double>(max.count());
  // A power that overflows is infinite, and so more than `max`.
  const double full = std::min(most, static_cast<double>(initial.count()) * std::pow(factor, number(attempt) - 1.0));
  constexpr double kUnit = 1.0 / (std::uint64_t{1} << 53);
  const double share = static_cast<double>(mixed(mixed(number(job)) ^ number(attempt)) >> 11) * kUnit;  // 0 .. 1
  return std::min(max, Duration(static_cast<std::int64_t>(full * (1 - jitter * share))));
}

}  // namespace runner
