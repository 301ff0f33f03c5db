#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "bench/ipc/figure.hpp"
#include "bench/pool/sections.hpp"
#include "bench/pool/work.hpp"

namespace runner::bench {

namespace {

constexpr std::uint32_t kWorkers = 2;
constexpr double kShortest = 20e-9, kLongest = 50e-6;
constexpr double kKept = 0.5;

// A length of calls, and what part of the ideal throughput is kept with it.
struct Point {
  double seconds = 0;
  double kept = 0;
};

// Calls of that length in this process: what they take where nothing else takes time.
Seconds alone(std::size_t calls, Rounds rounds) {
  std::vector<std::uint64_t> results(calls);
  const Seconds took = seconds_of([&] {
    for (std::uint64_t& result : results) result = compute(rounds);
  });
  expect(results.front() == compute(rounds) && results.back() == results.front(), "a loop");
  return took / static_cast<double>(calls);
}

std::vector<double> lengths(double step) {
  std::vector<double> all;
  for (double length = kShortest; length < kLongest; length *= step) all.push_back(length);
  return all;
}

// METG(50 %), the minimum effective task granularity of Task Bench (SC20): from the long calls down to the last at which half
// of the ideal is kept, and between that and the next on a line. None keeps it: infinity; all do: the shortest, so at most that.
double metg(const std::vector<Point>& curve) {
  double found = std::numeric_limits<double>::infinity();
  for (auto point = curve.rbegin(); point != curve.rend(); ++point) {
    if (point->kept >= kKept) {
      found = point->seconds;
      continue;
    }
    if (point == curve.rbegin()) return found;
    const Point& above = *(point - 1);
    const double part = (kKept - point->kept) / (above.kept - point->kept);
    return point->seconds * std::pow(above.seconds / point->seconds, part);
  }
  return found;
}

// Seconds per call, of so many calls.
using Run = std::function<Seconds(std::size_t calls, Rounds rounds)>;

// The curves of the turns as one: `choose` says which of the parts that were kept with a length is that of the curve.
using Samples = std::vector<std::vector<double>>;  // by length
template <class Choose>
double metg_of(const Samples& lengths, const Samples& kept, const Choose& choose) {
  std::vector<Point> curve;
  for (std::size_t i = 0; i < kept.size(); ++i) curve.push_back({spread(lengths[i]).median, choose(spread(kept[i]))});
  return metg(curve);
}

// "45n", "1.2u"
std::string brief(double seconds) {
  if (seconds < 0.9995e-6) return fmt::format("{:.0f}n", 1e9 * seconds);
  return fmt::format("{:.{}f}u", 1e6 * seconds, seconds < 9.95e-6 ? 1 : 0);
}

void measure(Table& table, const Scale& scale, const char* what, double microseconds, const Run& run) {
  const std::vector<double> wanted = lengths(scale.less == 1 ? 1.5 : 2.25);
  Samples took(wanted.size()), kept(wanted.size());
  for (std::size_t turn = 0; turn < table.turns(); ++turn) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const Rounds rounds = rounds_of(Seconds(wanted[i]));
      const auto calls = static_cast<std::size_t>(std::max(1.0, 5e-3 / wanted[i] / kInFlight)) * kInFlight;
      const Seconds ours = run(calls, rounds);
      const Seconds serial = alone(calls, rounds);
      took[i].push_back(serial.count());
      kept[i].push_back(serial / kWorkers / ours);
    }
  }
  // Of the best turns and of the worst, in which somebody else had a processor.
  const Spread found{.median = metg_of(took, kept, [](const Spread& of) { return of.median; }),
                     .least = metg_of(took, kept, [](const Spread& of) { return of.most; }),
                     .most = metg_of(took, kept, [](const Spread& of) { return of.least; })};
  table.judge(what, found.median, std::isinf(found.median) ? "more than 50 us" : time_per_message(found),
              at_most(1e-6 * microseconds), fmt::format("{} us", microseconds));
  std::string length = "length", percent = "kept %";
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    length += fmt::format("{:>5}", brief(spread(took[i]).median));
    percent += fmt::format("{:>5.0f}", 100 * spread(kept[i]).median);
  }
  Table::remark(length);
  Table::remark(percent);
}

}  // namespace

void grain(Table& table, const Scale& scale) {
  ProcessPool pool({.procs = kWorkers});
  measure(table, scale, "METG(50 %), 2 workers, map", 1,
          [&](std::size_t calls, Rounds rounds) { return map_compute(pool, calls, rounds); });
  measure(table, scale, "METG(50 %), 2 workers, submit", 3,
          [&](std::size_t calls, Rounds rounds) { return submit_compute(pool, calls, kInFlight, rounds); });
}

}  // namespace runner::bench
