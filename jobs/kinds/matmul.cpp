// The product of two random matrices, as numerical programs have it.
//
// Source: blocked multiplication, M. Lam, E. Rothberg, M. Wolf, "The cache performance and optimizations of blocked
// algorithms", ASPLOS 1991. Every element is summed in ascending k whatever the block, and never with a fused
// multiply-add (see CMakeLists.txt), so that every machine rounds alike.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <runner/job.hpp>
#include <vector>

#include "jobs/kinds/split_mix64.hpp"
#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct MatmulArgs {
  std::uint32_t n{};
  std::uint64_t seed{};
  template <class A>
  void serialize(A& a) {
    a(arg("n", n, "rows and columns; takes 24 n^2 bytes of memory").range(1, 8192),
      arg("seed", seed, "another seed gives other matrices"));
  }
};
struct Trace {
  double trace{};
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(trace));
  }
};

std::vector<double> random_matrix(std::size_t n, SplitMix64& random) {
  std::vector<double> matrix(n * n);
  for (double& element : matrix) element = 2 * random.next_unit() - 1;
  return matrix;
}

Trace multiply(const MatmulArgs& args, JobContext& context) {
  constexpr std::size_t block = 64;  // three blocks of doubles are 96 KiB
  const std::size_t n = args.n;
  SplitMix64 random(args.seed);
  const std::vector<double> a = random_matrix(n, random);
  const std::vector<double> b = random_matrix(n, random);
  std::vector<double> c(n * n);
  for (std::size_t i0 = 0; i0 < n; i0 += block) {
    for (std::size_t k0 = 0; k0 < n; k0 += block) {
      for (std::size_t j0 = 0; j0 < n; j0 += block) {
        leave_when_stopped(context);
        const std::size_t i1 = std::min(i0 + block, n), k1 = std::min(k0 + block, n), j1 = std::min(j0 + block, n);
        for (std::size_t i = i0; i < i1; ++i) {
          for (std::size_t k = k0; k < k1; ++k) {
            const double factor = a[i * n + k];
            const double* row = &b[k * n];
            double* sums = &c[i * n];
            for (std::size_t j = j0; j < j1; ++j) sums[j] += factor * row[j];
          }
        }
      }
    }
  }
  Trace result;
  for (std::size_t i = 0; i < n; ++i) result.trace += c[i * n + i];
  return result;
}

RUNNER_JOB("matmul", multiply, "Multiplies two random `n` by `n` matrices and answers with the trace of the product.")

}  // namespace
}  // namespace runner
