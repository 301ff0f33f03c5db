#include "ipc/still_thread.hpp"

#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

namespace runner::ipc {

namespace {

std::atomic<std::uint32_t> threads{0};
std::mutex working;

// In the child it is the copy of who took it that gives it back; none of those threads is there.
[[maybe_unused]] const bool prepared = [] {
  const auto hold = [] { working.lock(); };
  const auto go_on = [] { working.unlock(); };
  const auto begin_anew = [] {
    threads.store(0, std::memory_order_relaxed);
    working.unlock();
  };
  if (::pthread_atfork(hold, go_on, begin_anew) != 0) std::abort();
  return true;
}();

}  // namespace

StillThread::StillThread() { threads.fetch_add(1, std::memory_order_relaxed); }
StillThread::~StillThread() { threads.fetch_sub(1, std::memory_order_relaxed); }
StillThread::Piece::Piece() { working.lock(); }
StillThread::Piece::~Piece() { working.unlock(); }

std::uint32_t still_threads() { return threads.load(std::memory_order_relaxed); }

}  // namespace runner::ipc
