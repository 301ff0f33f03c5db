// 1 + 4 + 9 + ... + n^2, added up one by one: the plainest CPU-bound loop there is.
#include <algorithm>
#include <cstdint>
#include <runner/job.hpp>

#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct SumSquaresArgs {
  std::uint64_t n{};
  template <class A>
  void serialize(A& a) {
    a(arg("n", n, "the last number whose square is added; for any larger one the sum takes more than 64 bits")
          .range(0, 3'810'777));
  }
};
struct SumSquares {
  std::uint64_t sum{};
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(sum));
  }
};

SumSquares sum_squares(const SumSquaresArgs& args, JobContext& context) {
  constexpr std::uint64_t piece = std::uint64_t{1} << 20;  // terms between two looks at the stop token
  SumSquares result;
  for (std::uint64_t first = 1; first <= args.n; first += piece) {
    leave_when_stopped(context);
    const std::uint64_t last = std::min(args.n, first + piece - 1);
    for (std::uint64_t i = first; i <= last; ++i) {
      result.sum += i * i;
      // Compilers know n(n+1)(2n+1)/6 and would put it in place of the loop, but the loop is the point.
      asm volatile("" : "+r"(result.sum));
    }
  }
  return result;
}

RUNNER_JOB("sum_squares", sum_squares, "Adds up the squares from 1 to `n` in a loop.")

}  // namespace
}  // namespace runner
