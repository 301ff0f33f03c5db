#include "report/pace.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace runner::report {

namespace {

constexpr Duration kWindow = std::chrono::seconds(10);
constexpr Duration kSpacing = std::chrono::milliseconds(500);
constexpr std::uint64_t kEnough = 10;

}  // namespace

void Pace::note(TimePoint now, std::uint64_t done) {
  last_ = {now, done};
  if (window_.empty() || now - window_.back().at >= kSpacing) window_.push_back(last_);
  while (now - window_.front().at > kWindow) window_.pop_front();
}

std::optional<double> Pace::rate() const {
  Sample from{began_, 0};
  if (!window_.empty() && last_.done - window_.front().done >= kEnough) from = window_.front();
  const Duration span = last_.at - from.at;
  if (last_.done == from.done || span <= Duration::zero()) return std::nullopt;
  return static_cast<double>(last_.done - from.done) / seconds(span);
}

std::optional<Duration> Pace::left(std::uint64_t jobs) const {
  const std::optional<double> pace = rate();
  if (!pace) return std::nullopt;
  constexpr double kYear = 365.0 * 86'400;
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(static_cast<double>(jobs) / *pace, kYear)));
}

std::vector<double> Pace::history() const {
  std::vector<double> rates;
  for (std::size_t i = 1; i < window_.size(); ++i) {
    rates.push_back(static_cast<double>(window_[i].done - window_[i - 1].done) / seconds(window_[i].at - window_[i - 1].at));
  }
  return rates;
}

void Pace::took(Duration wall) {
  const double value = seconds(wall), off = value - mean_;
  mean_ += off / static_cast<double>(++count_);
  squares_ += off * (value - mean_);
}

std::optional<Duration> Pace::uncertainty(std::uint64_t jobs) const {
  constexpr std::uint64_t least = 4;
  const std::optional<Duration> rest = left(jobs);
  if (count_ < least || jobs == 0 || mean_ <= 0 || !rest) return std::nullopt;
  const auto n = static_cast<double>(count_);
  const double variation = std::sqrt(squares_ / (n - 1)) / mean_;
  return std::chrono::duration_cast<Duration>(*rest *
                                              std::min(variation * std::sqrt(1 / static_cast<double>(jobs) + 1 / n), 1.0));
}

}  // namespace runner::report
