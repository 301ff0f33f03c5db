#include "master/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace runner::master {
namespace {

// The nearest-rank percentile of what is stored whole.
Duration exact(std::vector<Duration> all, double percent) {
  std::sort(all.begin(), all.end());
  const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(all.size())));
  return all[std::clamp<std::size_t>(rank, 1, all.size()) - 1];
}

constexpr double kPercents[] = {0, 1, 25, 50, 75, 90, 99, 99.9, 99.99, 100};

void expect_close(const Histogram& histogram, const std::vector<Duration>& all) {
  for (const double percent : kPercents) {
    const auto want = static_cast<double>(exact(all, percent).count());
    const auto got = static_cast<double>(histogram.percentile(percent).count());
    EXPECT_LE(std::abs(got - want), want / 128 + 0.5) << percent << " % of " << all.size();
  }
}

TEST(Histogram, ToldOfNothingKnowsNothing) {
  const Histogram none;
  EXPECT_EQ(none.count(), 0U);
  EXPECT_EQ(none.percentile(50), Duration::zero());
}

TEST(Histogram, GivesPercentilesToWithinOneIn128OfTheExactOnes) {
  std::mt19937_64 random(7);
  for (const double mean : {3.0, 8.0, 14.0, 20.0, 30.0}) {
    std::lognormal_distribution<double> spans(mean, 2);
    Histogram histogram;
    std::vector<Duration> all;
    for (int i = 0; i < 20'000; ++i) {
      all.emplace_back(static_cast<std::int64_t>(std::min(spans(random), 9e18)));
      histogram.add(all.back());
    }
    expect_close(histogram, all);
    EXPECT_EQ(histogram.least(), *std::min_element(all.begin(), all.end()));
    EXPECT_EQ(histogram.most(), *std::max_element(all.begin(), all.end()));
  }
}

TEST(Histogram, IsExactForShortSpans) {
  for (std::int64_t ns = 0; ns < 128; ++ns) {
    Histogram histogram;
    histogram.add(Duration(0));
    histogram.add(Duration(ns));
    histogram.add(Duration(1'000'000));
    EXPECT_EQ(histogram.percentile(60), Duration(ns));
  }
}

TEST(Histogram, TakesTheLongestSpanThatThereIsAndCountsNegativeOnesAsNothing) {
  Histogram histogram;
  histogram.add(Duration::max());
  EXPECT_EQ(histogram.percentile(50), Duration::max());
  histogram.add(Duration(-5), 2);
  EXPECT_EQ(histogram.percentile(50), Duration::zero());
  EXPECT_EQ(histogram.least(), Duration::zero());
}

TEST(Histogram, OfManyPartsIsThatOfTheWhole) {
  std::mt19937_64 random(11);
  std::lognormal_distribution<double> spans(10, 3);
  Histogram parts[5], merged;
  std::vector<Duration> all;
  for (int i = 0; i < 10'000; ++i) {
    all.emplace_back(static_cast<std::int64_t>(spans(random)));
    parts[i % 4].add(all.back());
  }
  for (const Histogram& part : parts) merged += part;  // the last is empty
  EXPECT_EQ(merged.count(), all.size());
  expect_close(merged, all);
  std::uint64_t told = 0;
  Duration before = Duration(-1);
  merged.each([&](Duration from, Duration to, std::uint64_t count) {
    EXPECT_GE(from, before);
    EXPECT_GT(to, from);
    before = to;
    told += count;
  });
  EXPECT_EQ(told, all.size());
}

}  // namespace
}  // namespace runner::master
