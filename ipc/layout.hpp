// layout.hpp - what lies where in the segments, and one number that tells whether two programs agree on it.
//
// Three segments: chan[w] (both write, one per worker incarnation), in (the master writes, workers read), out[w] (the worker
// writes, the master reads). docs/shm-layout.md is the byte table.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <runner/item_sink.hpp>
#include "ipc/slot.hpp"

namespace runner::ipc {

inline constexpr std::uint64_t kChannelMagic = 0x6c6e6863726e7572;  // "runrchnl", little endian

// The first lines of chan[w]. The first line is written by the master before the worker exists and never again.
struct alignas(2 * kCacheLine) ChannelHeader {
  std::uint64_t magic;
  std::uint64_t layout_hash;
  std::uint32_t depth;  // slots; a power of two
  std::uint32_t worker;
  std::uint64_t incarnation;

  // 1 while the worker sleeps or is about to. Worker: stores 1, later 0. Master: exchanges 0, and wakes it when there was a 1.
  alignas(2 * kCacheLine) std::atomic<std::uint32_t> sleeping;
  // Master: 1 when there will be no more jobs; the worker leaves.
  alignas(2 * kCacheLine) std::atomic<std::uint32_t> closing;
};
static_assert(sizeof(ChannelHeader) == 6 * kCacheLine && offsetof(ChannelHeader, sleeping) == 2 * kCacheLine);

// The first page of `in`: what the master tells all workers at no cost per worker.
inline constexpr std::size_t kMaxWorkers = 1024;

struct alignas(2 * kCacheLine) StatePage {
  // 0: the master is awake. Otherwise it sleeps, or is about to, for the nth time: a worker rings once for each number.
  std::atomic<std::uint64_t> asleep;
  // Worker w rings only when it finished a request with at least this seq.
  alignas(2 * kCacheLine) std::atomic<std::uint64_t> ring_from[kMaxWorkers];
  // How long worker w may look for a next request before it sleeps, in nanoseconds; 0: it sleeps at once.
  alignas(2 * kCacheLine) std::atomic<std::uint32_t> may_spin_ns[kMaxWorkers];
};

[[nodiscard]] constexpr std::size_t channel_bytes(std::uint32_t depth) { return sizeof(ChannelHeader) + depth * sizeof(Slot); }
[[nodiscard]] inline ChannelHeader& channel_header(std::byte* channel) { return *reinterpret_cast<ChannelHeader*>(channel); }
[[nodiscard]] inline Slot& slot_of(std::byte* channel, std::uint32_t depth, std::uint64_t seq) {
  return reinterpret_cast<Slot*>(channel + sizeof(ChannelHeader))[seq & (depth - 1)];
}

// FNV-1a (Fowler, Noll, Vo) over every size and offset that both sides must agree on.
[[nodiscard]] consteval std::uint64_t layout_hash() {
  const std::size_t facts[] = {
      sizeof(Slot),
      offsetof(Slot, request_bytes),
      offsetof(Slot, items),
      offsetof(Slot, form),
      offsetof(Slot, timed),
      offsetof(Slot, request_place),
      offsetof(Slot, request),
      kInlineRequest,
      offsetof(Slot, request_offset),
      offsetof(Slot, stream_room),
      offsetof(Slot, progress),
      offsetof(Slot, started_ns),
      offsetof(Slot, finished_ns),
      offsetof(Slot, reply_bytes),
      offsetof(Slot, reply_place),
      offsetof(Slot, last_part),
      offsetof(Slot, reply_files),
      offsetof(Slot, reply),
      kInlineReply,
      offsetof(Slot, reply_offset),
      offsetof(Slot, stream_offset),
      sizeof(ChannelHeader),
      offsetof(ChannelHeader, sleeping),
      offsetof(ChannelHeader, closing),
      sizeof(StatePage),
      offsetof(StatePage, ring_from),
      offsetof(StatePage, may_spin_ns),
      static_cast<std::size_t>(runner::pack(ItemProgress{1, 1})),
  };
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::size_t fact : facts) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      hash = (hash ^ (fact >> shift & 0xff)) * 0x100000001b3;
    }
  }
  return hash;
}

}  // namespace runner::ipc
