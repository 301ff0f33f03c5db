// units.hpp - durations and sizes as people write them: `1.5s`, `200us`, `64MiB`.
//
// A bare number is an error on purpose: nobody should have to guess whether 60 means seconds or milliseconds.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "runner/result.hpp"

namespace runner {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::steady_clock::time_point;  // CLOCK_MONOTONIC, one clock for all processes

// An amount of memory or data in bytes.
struct Bytes {
  std::uint64_t count{};
  auto operator<=>(const Bytes&) const = default;
};

// `text` is a non-negative decimal number followed by one of ns us ms s m h d, e.g. "1.5s". The result is rounded to
// whole nanoseconds. Error (bad_batch): what was found and the form that is expected; more than 292 years overflow.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

// `text` is a non-negative decimal number followed by one of B kB MB GB TB (powers of 1000) or KiB MiB GiB TiB (powers of
// 1024), e.g. "64MiB"; the amount must be a whole number of bytes.
[[nodiscard]] Result<Bytes> parse_size(std::string_view text);

// The shortest form a person reads with three significant digits: "812 ns", "15.3 us", "2.40 s", "3 min 12 s".
[[nodiscard]] std::string format_duration(Duration duration);
// "17 B", "64.0 KiB", "1.50 GiB".
[[nodiscard]] std::string format_size(Bytes bytes);

[[nodiscard]] constexpr double seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

}  // namespace runner
