// histogram.hpp - how often spans of each length occurred, in constant memory, mergeable, to within 0.8 %.
//
// Lengths are nanoseconds. Up to 128 each has a bucket of its own; above, each power of two is divided into 64 buckets of equal
// width, as in HdrHistogram (Gil Tene, hdrhistogram.org), so a bucket's middle is off by at most 1/128 of what fell into it.
//
// Called from  one thread at a time. A value.
// Owns         its counts: nothing until the first span, then 30 KB.
// Fails with   nothing.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include <runner/units.hpp>

namespace runner::master {

class Histogram {
 public:
  void add(Duration span, std::uint64_t times = 1) {
    span = std::max(span, Duration::zero());
    const auto ns = static_cast<std::uint64_t>(span.count());
    if (counts_.empty()) counts_.resize(kBuckets);
    counts_[bucket(ns)] += times;
    least_ = count_ == 0 ? span : std::min(least_, span);
    most_ = std::max(most_, span);
    count_ += times;
  }

  Histogram& operator+=(const Histogram& other) {
    if (other.count_ == 0) return *this;
    if (counts_.empty()) counts_.resize(kBuckets);
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    least_ = count_ == 0 ? other.least_ : std::min(least_, other.least_);
    most_ = std::max(most_, other.most_);
    count_ += other.count_;
    return *this;
  }

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] Duration least() const { return least_; }
  [[nodiscard]] Duration most() const { return most_; }

  // The length that `percent` of all spans do not exceed (nearest rank); of none: zero.
  [[nodiscard]] Duration percentile(double percent) const {
    if (count_ == 0) return {};
    const auto rank = std::clamp<std::uint64_t>(
        static_cast<std::uint64_t>(std::ceil(percent / 100 * static_cast<double>(count_))), 1, count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      if ((seen += counts_[i]) >= rank) return std::clamp(middle(i), least_, most_);
    }
    return most_;
  }

  // Calls `tell(from, to, count)` for each bucket that is not empty, shortest first: spans of at least `from` and less than `to`.
  template <class Tell>
  void each(Tell&& tell) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] != 0) tell(Duration(lower(i)), Duration(lower(i + 1)), counts_[i]);
    }
  }

 private:
  static constexpr unsigned kBits = 6;  // 64 buckets to a power of two
  static constexpr std::size_t kPart = std::size_t{1} << kBits;
  static constexpr std::size_t kBuckets = (63 - kBits) * kPart + kPart;

  static std::size_t bucket(std::uint64_t ns) {
    if (ns < 2 * kPart) return static_cast<std::size_t>(ns);
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kBits;
    return shift * kPart + static_cast<std::size_t>(ns >> shift);
  }
  static std::int64_t lower(std::size_t bucket) {
    if (bucket < 2 * kPart) return static_cast<std::int64_t>(bucket);
    if (bucket == kBuckets) return INT64_MAX;  // 2^63
    const std::size_t shift = bucket / kPart - 1;
    return static_cast<std::int64_t>((bucket - shift * kPart) << shift);
  }
  static Duration middle(std::size_t bucket) { return Duration(lower(bucket) + (lower(bucket + 1) - 1 - lower(bucket)) / 2); }

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  Duration least_{}, most_{};
};

}  // namespace runner::master
