#include "report/pace.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

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

std::optional<Duration> Pace::uncertainty(std::uint64_t jobs) const {
  constexpr std::size_t least = 4;
  const std::vector<double> rates = history();
  const std::optional<Duration> rest = left(jobs);
  if (rates.size() < least || !rest) return std::nullopt;
  const auto count = static_cast<double>(rates.size());
  const double mean = std::accumulate(rates.begin(), rates.end(), 0.0) / count;
  if (mean <= 0) return std::nullopt;
  double squares = 0;
  for (const double rate : rates) squares += (rate - mean) * (rate - mean);
  const double standard_error = std::sqrt(squares / (count - 1) / count);
  return std::chrono::duration_cast<Duration>(*rest * std::min(standard_error / mean, 1.0));
}

}  // namespace runner::report
