// In how many ways n queens stand on an n by n board without attacking each other.
//
// Source: backtracking over three bit masks (columns and both diagonals), M. Richards, "Backtracking algorithms in MCPL using
// bit patterns and recursion", Cambridge (1997). Solutions that are mirror images of each other all count (OEIS A000170).
#include <cstdint>
#include <runner/job.hpp>

#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct QueensArgs {
  std::uint32_t n{};
  template <class A>
  void serialize(A& a) {
    a(arg("n", n, "queens, and rows and columns of the board; 15 takes seconds, each one more about 8 times as long")
          .range(1, 20));
  }
};
struct Queens {
  std::uint64_t solutions{};
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(solutions));
  }
};

class Board {
 public:
  Board(std::uint32_t n, const JobContext& context) : all_((std::uint32_t{1} << n) - 1), context_(context) {}

  // The ways to fill the remaining rows, given the columns that are taken straight and along the diagonals.
  [[nodiscard]] std::uint64_t fill(std::uint32_t columns, std::uint32_t left, std::uint32_t right) {
    if (columns == all_) return 1;
    if (++looks_ % 65'536 == 0) leave_when_stopped(context_);
    std::uint64_t solutions = 0;
    for (std::uint32_t open = all_ & ~(columns | left | right); open != 0; open &= open - 1) {
      const std::uint32_t queen = open & (~open + 1);
      solutions += fill(columns | queen, (left | queen) << 1, (right | queen) >> 1);
    }
    return solutions;
  }

 private:
  std::uint32_t all_;
  std::uint32_t looks_ = 0;
  const JobContext& context_;
};

Queens count_queens(const QueensArgs& args, JobContext& context) { return {.solutions = Board(args.n, context).fill(0, 0, 0)}; }

RUNNER_JOB("nqueens", count_queens, "Counts the ways to place `n` queens on a board of `n` rows so that none attacks another.")

}  // namespace
}  // namespace runner
