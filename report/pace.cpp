#include "report/pace.hpp"

#include <algorithm>
#include <chrono>

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

}  // namespace runner::report
