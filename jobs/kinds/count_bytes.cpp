// Counts one byte in a shared file or region, read where it lies.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <runner/job.hpp>
#include <span>
#include <stdexcept>
#include <string>

#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct CountBytesArgs {
  std::string shared;
  std::uint32_t byte{};
  std::optional<std::uint64_t> from, to;
  template <class A>
  void serialize(A& a) {
    a(arg("shared", shared, "the shared file or region to read"), arg("byte", byte, "which byte is counted").range(0, 255),
      arg("from", from, "the first place that is looked at, counted from 0; the beginning when left out"),
      arg("to", to, "the place behind the last one; the end when left out"));
  }
};
struct CountBytes {
  std::uint64_t count{};
  std::uint64_t bytes{};  // that were looked at
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(count), CEREAL_NVP(bytes));
  }
};

CountBytes count_bytes(const CountBytesArgs& args, JobContext& context) {
  constexpr std::size_t piece = std::size_t{1} << 20;  // bytes between two looks at the stop token
  const std::span<const std::byte> all = context.shared().bytes(args.shared);
  const std::uint64_t from = args.from.value_or(0), to = args.to.value_or(all.size());
  if (from > to || to > all.size()) {
    throw std::invalid_argument(
        fmt::format("`from` {} and `to` {} are no part of `{}`, which has {} bytes", from, to, args.shared, all.size()));
  }
  CountBytes result{.count = 0, .bytes = to - from};
  for (std::span<const std::byte> left = all.subspan(from, to - from); !left.empty();) {
    leave_when_stopped(context);
    const std::span<const std::byte> next = left.first(std::min(piece, left.size()));
    result.count += static_cast<std::uint64_t>(std::count(next.begin(), next.end(), static_cast<std::byte>(args.byte)));
    left = left.subspan(next.size());
  }
  return result;
}

RUNNER_JOB("count_bytes", count_bytes, "Counts a byte in a shared file or region.")

}  // namespace
}  // namespace runner
