// inbound.hpp - the one segment that the master writes and every worker may only read: state page, then an arena of payloads.
//
// Called from  the master's loop thread.
// Owns         the region and its arena. Outlives every requester that was made with it.
// Fails with   system, when it is made.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "ipc/arena.hpp"
#include "ipc/layout.hpp"
#include "ipc/region.hpp"

namespace runner::ipc {

class Inbound {
 public:
  [[nodiscard]] static Result<Inbound> create(std::size_t arena_bytes);

  [[nodiscard]] StatePage& state() const { return *reinterpret_cast<StatePage*>(region_.data()); }
  [[nodiscard]] Arena& arena() { return arena_; }
  [[nodiscard]] const SharedRegion& region() const { return region_; }

  // Between these two calls workers ring. After sleep_begins() the master must look once more before it blocks.
  void sleep_begins() {
    state().asleep.store(++nap_, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // partner: the fence of ShmResponder::ring
  }
  void sleep_ends() { state().asleep.store(0, std::memory_order_relaxed); }

  [[nodiscard]] static constexpr std::size_t arena_offset() { return (sizeof(StatePage) + 4095) / 4096 * 4096; }

 private:
  Inbound(SharedRegion region, Arena arena) : region_(std::move(region)), arena_(std::move(arena)) {}
  SharedRegion region_;
  Arena arena_;
  std::uint64_t nap_ = 0;
};

}  // namespace runner::ipc
