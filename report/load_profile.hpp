// load_profile.hpp - how many there were at a time, on average over each of the equal parts of a run of unknown length.
//
// Parts begin small; where the run outgrows them, each two become one. So memory is constant, and the sum over all parts stays exact.
//
// Called from  one thread. Reads no clock.
// Owns         its sums.
// Fails with   nothing.
#pragma once

#include <cstddef>
#include <vector>

#include <runner/units.hpp>

namespace runner::report {

class LoadProfile {
 public:
  static constexpr std::size_t kParts = 2048;  // as wide as a screen
  static constexpr Duration kFirstWidth = std::chrono::microseconds(10);

  // One of them was there from then to then, counted from the begin of the run; what lies before that is cut off.
  void add(Duration from, Duration to);

  [[nodiscard]] Duration width() const { return width_; }
  [[nodiscard]] std::size_t parts() const { return busy_.size(); }  // up to the last with anything in it
  [[nodiscard]] double mean(std::size_t part) const {
    return static_cast<double>(busy_[part].count()) / static_cast<double>(width_.count());
  }

 private:
  Duration width_ = kFirstWidth;
  std::vector<Duration> busy_;
};

}  // namespace runner::report
