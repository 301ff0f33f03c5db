// relax.hpp - tells the processor that this is a loop that only looks.
//
// Called from  anywhere that spins.
#pragma once

namespace runner::ipc {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace runner::ipc
