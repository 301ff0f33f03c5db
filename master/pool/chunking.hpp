// chunking.hpp - how many items of a map go into one request.
//
// Pure. A request costs about a third of a microsecond on both sides together, so it should carry some twenty microseconds of work;
// toward the end it should carry less, so that all workers end at about the same time. What is not known yet is tried item by item.
//
// Called from  the process pool.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <runner/units.hpp>

namespace runner::master {

struct Chunking {
  static constexpr Duration kWorth = std::chrono::microseconds(20);  // of work in a request
  static constexpr Duration kLeast = std::chrono::microseconds(2);   // at the end
  static constexpr std::uint32_t kMostItems = 4096;
  static constexpr Duration kOverhead = std::chrono::nanoseconds(300);  // of a request

  // `mean_ns`: of one item; nothing: unknown. `result_bytes`: of one item, 0: unknown or none; `most_bytes`: of one request.
  [[nodiscard]] static std::uint32_t next(std::size_t left, std::uint32_t procs, std::optional<double> mean_ns,
                                          std::size_t result_bytes, std::size_t most_bytes) {
    if (!mean_ns) return 1;
    const double mean = std::max(*mean_ns, 0.5);
    const auto in = [&](Duration time) { return static_cast<std::size_t>(static_cast<double>(time.count()) / mean); };
    const std::size_t fair = left / (std::size_t{2} * procs);
    std::size_t items = std::min(in(kWorth), std::max(fair, in(kLeast)));
    if (result_bytes != 0) items = std::min(items, most_bytes / result_bytes);
    items = std::min({items, left, static_cast<std::size_t>(kMostItems)});
    return static_cast<std::uint32_t>(std::max<std::size_t>(items, 1));
  }
};

}  // namespace runner::master
