// spin_budget.hpp - how long to look for what one waits for before sleeping: twice as long as the last waits took.
//
// A wait that is met while looking costs a fraction of a microsecond; one that is slept through costs a wake-up, tens of them. So
// looking pays as long as waits are short, and stops paying at once when they are not. Pure arithmetic.
//
// Called from  whoever waits; one thread.
// Owns         a running mean of the waits (weight 1/8).
#pragma once

#include <algorithm>
#include <cstdint>

namespace runner::ipc {

class SpinBudget {
 public:
  static constexpr std::int64_t kLeastNs = 200;

  // For the next wait, of at most `allowed_ns`.
  [[nodiscard]] std::int64_t next_ns(std::int64_t allowed_ns) const {
    return std::min(allowed_ns, std::max(2 * mean_ns_, kLeastNs));
  }
  void met(std::int64_t after_ns) { mean_ns_ += (after_ns - mean_ns_) / 8; }
  // In vain: as if it had been as long as allowed, so that a few short waits in a row are found again.
  void missed(std::int64_t allowed_ns) { mean_ns_ += (allowed_ns - mean_ns_) / 8; }

 private:
  std::int64_t mean_ns_ = kLeastNs;
};

}  // namespace runner::ipc
