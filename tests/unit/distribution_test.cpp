// From histograms to the bars of the page.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "report/distribution.hpp"

namespace runner::report {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(Distribution, OfNothingHasNoBars) {
  EXPECT_TRUE(bars({}).empty());
  const nlohmann::ordered_json none = distribution({});
  EXPECT_EQ(none.at("count"), 0);
  EXPECT_EQ(none.at("none"), 0);
  EXPECT_TRUE(none.at("bars").empty());
}

TEST(Distribution, CountsWhatTookNoTimeForItself) {
  master::Histogram lengths;
  lengths.add({}, 5);
  lengths.add(nanoseconds(1), 2);
  const nlohmann::ordered_json all = distribution(lengths);
  EXPECT_EQ(all.at("count"), 7);
  EXPECT_EQ(all.at("none"), 5);
  EXPECT_EQ(all.at("bars"), nlohmann::ordered_json::parse("[[0,2]]"));
}

TEST(Distribution, HasEachLengthInABarThatIsNoFurtherOffThanTheHistogramIs) {
  for (std::int64_t ns = 1; ns < 3'000'000'000'000; ns += ns / 7 + 1) {
    master::Histogram lengths;
    lengths.add(Duration(ns), 3);
    const std::vector<Bar> all = bars(lengths);
    ASSERT_EQ(all.size(), 1U) << ns;
    EXPECT_EQ(all[0].count, 3U);
    const double from = std::pow(10, all[0].k / 20.0), to = std::pow(10, (all[0].k + 1) / 20.0);
    EXPECT_GE(static_cast<double>(ns), from * (1 - 1.0 / 128) - 1e-6) << all[0].k;
    EXPECT_LE(static_cast<double>(ns), to * (1 + 1.0 / 128)) << all[0].k;
  }
}

TEST(Distribution, HasTwentyBarsToAPowerOfTenAndLosesNobody) {
  master::Histogram lengths;  // from 1 to 10 ms, but for what the histogram cannot tell from less or more
  for (int us = 1010; us < 9900; ++us) lengths.add(microseconds(us));
  const std::vector<Bar> all = bars(lengths);
  ASSERT_EQ(all.size(), 20U);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].k, 120 + static_cast<int>(i)) << "1 ms is 10^6 ns";
    sum += all[i].count;
  }
  EXPECT_EQ(sum, 9900U - 1010U);
}

TEST(Distribution, HasThePercentilesOfTheHistogram) {
  master::Histogram lengths;
  lengths.add(milliseconds(1), 99);
  lengths.add(milliseconds(8), 1);
  const nlohmann::ordered_json all = distribution(lengths);
  EXPECT_NEAR(all.at("p50"), 0.001, 0.00001);
  EXPECT_NEAR(all.at("p99"), 0.001, 0.00001);
  EXPECT_NEAR(all.at("max"), 0.008, 1e-12);
  EXPECT_EQ(all.at("bars").size(), 2U);
}

}  // namespace
}  // namespace runner::report
