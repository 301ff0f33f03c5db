// Segmented sieve of Eratosthenes over the odd numbers.
//
// Source: C. Bays and R. H. Hudson, "The segmented sieve of Eratosthenes and primes in arithmetic progressions to 10^12",
// BIT 17 (1977). Memory: one segment and the primes below the root of the limit, about 1 MiB for the largest limit.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <runner/job.hpp>
#include <vector>

#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct PrimesArgs {
  std::uint64_t limit{};
  template <class A>
  void serialize(A& a) {
    a(arg("limit", limit, "primes below this are counted").range(0, 1'000'000'000'000));
  }
};
struct Primes {
  std::uint64_t count{};
  std::uint64_t largest{};  // 0: there is none
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(count), CEREAL_NVP(largest));
  }
};

// The odd primes whose square is below `limit`.
std::vector<std::uint32_t> sieving_primes(std::uint64_t limit) {
  std::vector<std::uint32_t> primes;
  std::vector<bool> composite;
  std::uint32_t root = 1;
  while (std::uint64_t{root + 1} * (root + 1) < limit) ++root;
  composite.resize(root + 1);
  for (std::uint32_t p = 3; p <= root; p += 2) {
    if (composite[p]) continue;
    primes.push_back(p);
    for (std::uint64_t multiple = std::uint64_t{p} * p; multiple <= root; multiple += std::uint64_t{2} * p)
      composite[multiple] = true;
  }
  return primes;
}

// A prime that crosses out, and the next place in the segment it crosses out.
struct Crosser {
  std::uint32_t prime;
  std::uint32_t next;
};

// Place k of the sieve stands for the odd number 2k + 1, so that stepping by p places steps by 2p numbers.
Primes count_primes(const PrimesArgs& args, JobContext& context) {
  constexpr std::uint64_t segment_places = std::uint64_t{1} << 17;  // bytes: a share of the second-level cache
  Primes result;
  if (args.limit > 2) result = {.count = 1, .largest = 2};

  const std::vector<std::uint32_t> primes = sieving_primes(args.limit);
  std::vector<Crosser> crossers;
  std::vector<std::uint8_t> is_prime(segment_places);
  const std::uint64_t places = args.limit / 2;
  for (std::uint64_t begin = 0; begin < places; begin += segment_places) {
    leave_when_stopped(context);
    const std::uint64_t length = std::min(segment_places, places - begin);
    std::fill(is_prime.begin(), is_prime.end(), std::uint8_t{1});
    if (begin == 0) is_prime[0] = 0;  // the number 1

    // A prime joins at its square: what lies below has a smaller factor.
    while (crossers.size() < primes.size()) {
      const std::uint64_t prime = primes[crossers.size()];
      const std::uint64_t square_place = (prime * prime - 1) / 2;
      if (square_place >= begin + segment_places) break;
      crossers.push_back({static_cast<std::uint32_t>(prime), static_cast<std::uint32_t>(square_place - begin)});
    }
    for (Crosser& crosser : crossers) {
      std::uint64_t place = crosser.next;
      for (; place < segment_places; place += crosser.prime) is_prime[place] = 0;
      crosser.next = static_cast<std::uint32_t>(place - segment_places);
    }

    for (std::uint64_t place = 0; place < length; ++place) result.count += is_prime[place];
    for (std::uint64_t place = length; place > 0; --place) {
      if (is_prime[place - 1] == 0) continue;
      result.largest = 2 * (begin + place - 1) + 1;
      break;
    }
  }
  return result;
}

RUNNER_JOB("primes", count_primes, "Counts the primes below `limit`.")

}  // namespace
}  // namespace runner
