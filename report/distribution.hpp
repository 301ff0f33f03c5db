// distribution.hpp - a histogram as the page draws it: bars of equal width on a logarithmic scale, and how many took no time at all.
//
// Called from  any thread.
// Owns         nothing; values.
// Fails with   cannot fail.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "master/histogram.hpp"

namespace runner::report {

// Lengths from 10^(k/20) up to 10^((k+1)/20) nanoseconds: a twentieth of a power of ten, some ten times the histogram's own
// resolution. What lies across an edge is counted where its middle is.
inline constexpr int kBarsToAPowerOfTen = 20;
struct Bar {
  int k;
  std::uint64_t count;
};
// Those that are not empty, the shortest first; all but those of no length.
[[nodiscard]] std::vector<Bar> bars(const master::Histogram& lengths);

// {count, none, min, p50, p90, p99, p99.9, max, bars: [[k, count], ...]}, in seconds; `none` are those of no length.
[[nodiscard]] nlohmann::ordered_json distribution(const master::Histogram& lengths);

}  // namespace runner::report
