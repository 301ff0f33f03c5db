// pace.hpp - how fast jobs are completed, and how long the rest will take at that pace.
//
// Counts completions, never starts. Of the last ten seconds where at least ten jobs ended in them, else of the whole run: long
// jobs end in bursts, and a burst is no pace.
//
// Called from  the run loop's thread. Pure: the time is an argument.
// Call order   note* ; then anything
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <runner/units.hpp>

namespace runner::report {

class Pace {
 public:
  explicit Pace(TimePoint began) : began_(began) {}

  void note(TimePoint now, std::uint64_t done);
  // Jobs per second; nothing before the first has ended.
  [[nodiscard]] std::optional<double> rate() const;
  [[nodiscard]] std::optional<Duration> left(std::uint64_t jobs) const;
  // How far off that is likely to be, to either side: what is left, by the standard error of the pace of the half seconds of the
  // window (the variance of a quotient to first order, the "delta method"). Nothing before there are four of them.
  [[nodiscard]] std::optional<Duration> uncertainty(std::uint64_t jobs) const;
  // Jobs per second in each half second of the window, the oldest first.
  [[nodiscard]] std::vector<double> history() const;
  [[nodiscard]] Duration elapsed() const { return last_.at - began_; }

 private:
  struct Sample {
    TimePoint at{};
    std::uint64_t done = 0;
  };
  TimePoint began_;
  Sample last_{began_, 0};
  std::deque<Sample> window_;
};

}  // namespace runner::report
