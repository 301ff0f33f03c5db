// pools.hpp - a process pool for one test, over either transport and with few or many workers, and memory to look into workers.
//
// Called from  tests of the pool; the pool is made while the test has one thread.
// Owns         the pool; everything is silent again when the test ends.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <new>
#include <optional>
#include <runner/process_pool.hpp>
#include <string>
#include <thread>
#include <variant>

#include "tests/silence.hpp"

namespace runner {

// What workers are called to do.
inline int twice(int x) { return 2 * x; }
inline int for_ever(int x) {
  for (;;) ::pause();
  return x;
}

struct Over {
  PoolTransport transport;
  std::uint32_t procs;
};
inline std::string over_name(const testing::TestParamInfo<Over>& over) {
  return (over.param.transport == PoolTransport::shm ? "shm" : "pipe") + std::to_string(over.param.procs);
}
inline auto all_pools() {
  return testing::Values(Over{PoolTransport::shm, 1}, Over{PoolTransport::shm, 2}, Over{PoolTransport::shm, 8},
                         Over{PoolTransport::pipe, 1}, Over{PoolTransport::pipe, 2}, Over{PoolTransport::pipe, 8});
}
inline auto pools_of_some() {
  return testing::Values(Over{PoolTransport::shm, 2}, Over{PoolTransport::shm, 8}, Over{PoolTransport::pipe, 2},
                         Over{PoolTransport::pipe, 8});
}
inline auto pools_of_two() { return testing::Values(Over{PoolTransport::shm, 2}, Over{PoolTransport::pipe, 2}); }

class PoolTest : public testing::TestWithParam<Over> {
 protected:
  [[nodiscard]] static PoolOptions options() { return {.procs = GetParam().procs, .transport = GetParam().transport}; }
  [[nodiscard]] ProcessPool& pool() {
    if (!pool_) pool_.emplace(options());
    return *pool_;
  }
  void make(const PoolOptions& options) { pool_.emplace(options); }
  void destroy() { pool_.reset(); }

 private:
  Silence silence_;  // before the pool: it looks when that is gone
  std::optional<ProcessPool> pool_;
};

// A T that this process and the workers of pools made later all see.
template <class T>
class SeenByAll {
 public:
  SeenByAll() : memory_(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ != MAP_FAILED) new (memory_) T{};
  }
  ~SeenByAll() { ::munmap(memory_, sizeof(T)); }
  SeenByAll(const SeenByAll&) = delete;
  SeenByAll& operator=(const SeenByAll&) = delete;
  T& operator*() const { return *static_cast<T*>(memory_); }
  T* operator->() const { return static_cast<T*>(memory_); }

 private:
  void* memory_;
};

// Waits for what must come; false: it did not, and the test should fail rather than hang.
template <class Condition>
[[nodiscard]] bool comes_true(const Condition& condition) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > patience) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

// The signal a call crashed of; 0: it left by itself; -1: it did not crash.
template <class T>
[[nodiscard]] int crash_of(const tl::expected<T, JobError>& outcome) {
  if (outcome) return -1;
  const auto* crashed = std::get_if<Crashed>(&outcome.error().ending());
  return crashed != nullptr ? crashed->signal : -1;
}
template <class Ending, class T>
[[nodiscard]] bool ended_as(const tl::expected<T, JobError>& outcome) {
  return !outcome && std::holds_alternative<Ending>(outcome.error().ending());
}

}  // namespace runner
