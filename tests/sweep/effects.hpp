// effects.hpp - what a worker's user code has done so far, in memory that its death leaves as it is.
//
// Called from  user code in the worker writes it; the test looks at it while the worker stands still.
// Owns         one shared page for the life of the program, inherited by every process forked from it.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <new>

namespace runner::sweep {

struct Effects {
  std::atomic<std::uint32_t> began{0};  // items whose code has begun: its first act
  std::atomic<std::uint32_t> ended{0};  // items whose code is at its end: its last act

  void clear() { began = ended = 0; }
};

inline Effects& effects() {
  static Effects* const page =
      new (::mmap(nullptr, sizeof(Effects), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Effects;
  return *page;
}

}  // namespace runner::sweep
