// split_mix64.hpp - random numbers that are the same on every machine, for the kinds that need a seed.
//
// Source       G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with the
//              constants of S. Vigna's public-domain splitmix64.c. Any seed is good, 0 and neighbours too.
// Called from  one thread; a value of 8 bytes.
#pragma once

#include <cstdint>

namespace runner {

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  // Uniform over all 2^64 values.
  [[nodiscard]] std::uint64_t next() {
    state_ += 0x9e37'79b9'7f4a'7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31);
  }
  // Uniform over the multiples of 2^-53 in [0, 1): exact in a double.
  [[nodiscard]] double next_unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace runner
