// marks.hpp - how often the code of each item was begun and ended, in memory that the death of a worker leaves as it is.
//
// Called from  user code in any worker writes; the test reads.
// Owns         shared pages for the life of the program. clear() is to be called before the workers are forked, so that they
//              inherit them.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace runner::chaos {

struct Marks {
  static constexpr std::size_t kItems = 1000;
  std::atomic<std::uint32_t> began[kItems], ended[kItems];

  void clear() {
    for (auto& one : began) one = 0;
    for (auto& one : ended) one = 0;
  }
};

inline Marks& marks() {
  static Marks* const pages =
      new (::mmap(nullptr, sizeof(Marks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Marks;
  return *pages;
}

}  // namespace runner::chaos
