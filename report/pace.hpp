// pace.hpp - how fast jobs are completed, and how long the rest will take at that pace.
//
// Counts completions, never starts. Of the last ten seconds where at least ten jobs ended in them, else of the whole run: long
// jobs end in bursts, and a burst is no pace.
//
// Called from  the run loop's thread. Pure: the time is an argument.
// Call order   (note | took)* ; then anything
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
  // A job has ended that ran so long.
  void took(Duration wall);
  // Jobs per second; nothing before the first has ended.
  [[nodiscard]] std::optional<double> rate() const;
  [[nodiscard]] std::optional<Duration> left(std::uint64_t jobs) const;
  // One standard deviation of that, to either side, where the jobs that are left are as those that ended: left · v · sqrt(1/jobs + 1/n)
  // with v the coefficient of variation of the n durations so far. The error of a sum of `jobs` such durations that is predicted by
  // their mean: the variance of the sum itself and of the mean (e.g. Wasserman, All of Statistics, 13.4). At most `left`; nothing
  // before four jobs have ended.
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
  // Of the durations, in seconds: how many, their mean, and the sum of the squares of what they differ from it (Welford 1962).
  std::uint64_t count_ = 0;
  double mean_ = 0, squares_ = 0;
};

}  // namespace runner::report
