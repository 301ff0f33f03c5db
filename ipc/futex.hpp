// futex.hpp - sleep on a word of shared memory until another process wakes you.
//
// std::atomic::wait is private to a process (it would sleep for ever here), and a process-shared condition variable waits for
// a dead waiter. A futex word leaves nothing behind when its sleeper is killed.
//
// Called from  any process that maps the word; waking works through a read-only mapping too.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace runner::ipc {

// Returns at once when `word` is not `expected`; otherwise on a wake-up, on a signal, or for no reason: look again.
inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected) {
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
  ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, nullptr, nullptr, 0);
}

// Wakes the one sleeper of `word`, if there is one.
inline void futex_wake(const std::atomic<std::uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace runner::ipc
