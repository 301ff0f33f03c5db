// Pi from the share of random points of the unit square that lie in the quarter circle.
//
// Source: the classic Monte Carlo example, e.g. J. M. Hammersley and D. C. Handscomb, "Monte Carlo Methods" (1964). Points lie
// on a grid of 2^32 by 2^32 and are told apart in whole numbers, so that every machine finds the same ones inside.
#include <algorithm>
#include <cstdint>
#include <runner/job.hpp>

#include "jobs/kinds/split_mix64.hpp"
#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct PiArgs {
  std::uint64_t seed{};
  std::uint64_t samples{};
  template <class A>
  void serialize(A& a) {
    a(arg("seed", seed, "another seed gives other points"),
      arg("samples", samples, "how many points; the error is about 1.6 / sqrt(samples)").range(1, 1'000'000'000'000));
  }
};
struct Pi {
  double pi{};
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(pi));
  }
};

Pi monte_carlo_pi(const PiArgs& args, JobContext& context) {
  constexpr std::uint64_t piece = std::uint64_t{1} << 20;  // points between two looks at the stop token
  SplitMix64 random(args.seed);
  std::uint64_t inside = 0;
  for (std::uint64_t done = 0; done < args.samples; done += piece) {
    leave_when_stopped(context);
    for (std::uint64_t left = std::min(piece, args.samples - done); left > 0; --left) {
      const std::uint64_t point = random.next();
      const std::uint64_t x = point >> 32;
      const std::uint64_t y = point & 0xffff'ffff;
      const std::uint64_t squares = x * x + y * y;
      inside += squares >= x * x ? 1U : 0U;  // the sum wrapped around if and only if it is 2^64 = radius^2 or more
    }
  }
  return {.pi = 4 * static_cast<double>(inside) / static_cast<double>(args.samples)};
}

RUNNER_JOB("monte_carlo_pi", monte_carlo_pi, "Estimates pi from `samples` random points.")

}  // namespace
}  // namespace runner
