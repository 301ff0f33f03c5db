#include "report/distribution.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace runner::report {

std::vector<Bar> bars(const master::Histogram& lengths) {
  std::vector<Bar> all;
  lengths.each([&](Duration from, Duration to, std::uint64_t count) {
    if (from == Duration::zero()) return;
    const double last = static_cast<double>(to.count() - 1);  // `from` itself where the histogram is exact
    const double middle = (static_cast<double>(from.count()) + last) / 2;
    const int k = static_cast<int>(std::floor(kBarsToAPowerOfTen * std::log10(middle)));
    if (all.empty() || all.back().k != k) all.push_back({k, 0});
    all.back().count += count;
  });
  return all;
}

nlohmann::ordered_json distribution(const master::Histogram& lengths) {
  nlohmann::ordered_json drawn = nlohmann::ordered_json::array();
  std::uint64_t some = 0;
  for (const Bar& bar : bars(lengths)) {
    drawn.push_back({bar.k, bar.count});
    some += bar.count;
  }
  return {{"count", lengths.count()},
          {"none", lengths.count() - some},
          {"min", seconds(lengths.least())},
          {"p50", seconds(lengths.percentile(50))},
          {"p90", seconds(lengths.percentile(90))},
          {"p99", seconds(lengths.percentile(99))},
          {"p99.9", seconds(lengths.percentile(99.9))},
          {"max", seconds(lengths.most())},
          {"bars", std::move(drawn)}};
}

}  // namespace runner::report
