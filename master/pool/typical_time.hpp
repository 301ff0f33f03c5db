// typical_time.hpp - how long an item of a function takes, as a rule: a running mean of what was measured, without the odd ones out.
//
// A worker that loses its processor in the middle of a call of 30 ns measures 3 ms. So the mean is fed with the median of the last
// three measurements: one alone changes nothing, two in a row are believed. Of the first there is no other to ask. Pure.
//
// Called from  the process pool, under its lock.
// Owns         two measurements and the mean (weight 1/8), in nanoseconds.
#pragma once

#include <algorithm>
#include <optional>

namespace runner::master {

class TypicalTime {
 public:
  // Nothing before the first measurement.
  [[nodiscard]] std::optional<double> ns() const { return mean_; }

  void measured(double ns) {
    if (!mean_) {
      mean_ = last_ = before_ = ns;
      return;
    }
    const double median = std::max(std::min(ns, last_), std::min(std::max(ns, last_), before_));
    *mean_ += (median - *mean_) / 8;
    before_ = last_;
    last_ = ns;
  }

 private:
  std::optional<double> mean_;
  double last_ = 0, before_ = 0;
};

}  // namespace runner::master
