// slot.hpp - one job's place in a channel: request, state and result in four cache lines.
//
// Called from  Requester: the master's loop thread. Responder: the worker's only thread.
// Owns         nothing; it lies in a SharedRegion that must outlive it.
// Survives     the other side's death at any instruction: one word tells how far the job came.
//
//   FREE -M store-> READY -W CAS-> CLAIMED -W store-> RUNNING -(user code)- W store-> DONE -M-> FREE
//                   READY -M CAS-> REVOKED          (the master takes it back)
//
// The word is seq << 4 | state; seq counts the jobs of a channel from 0, slot = seq mod depth. A word with a later seq than
// the one the worker expects means that the expected one was taken back and its slot used again.
// Layout       docs/shm-layout.md; checked by the static_asserts below.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace runner::ipc {

inline constexpr std::size_t kCacheLine = 64;

enum class SlotState : std::uint8_t { free = 0, ready = 1, claimed = 2, running = 3, done = 4, revoked = 5 };

struct Word {
  std::uint64_t seq = 0;
  SlotState state = SlotState::free;
  bool operator==(const Word&) const = default;
};

[[nodiscard]] constexpr std::uint64_t pack(Word word) { return word.seq << 4 | static_cast<std::uint64_t>(word.state); }
// Any 64 bits are a Word; a state that no constant names stays what it is and equals none of them.
[[nodiscard]] constexpr Word unpack(std::uint64_t bits) { return {bits >> 4, static_cast<SlotState>(bits & 15)}; }

// Where the bytes of a message lie.
enum class Place : std::uint32_t { inline_ = 0, arena = 1, memfd = 2 };

inline constexpr std::size_t kInlineRequest = 104;
inline constexpr std::size_t kInlineReply = 88;

struct alignas(kCacheLine) Slot {
  // Written by the master before READY, except the word.
  std::atomic<std::uint64_t> word;
  std::uint64_t request_offset;  // in the `in` arena, for Place::arena
  std::uint32_t request_bytes;
  Place request_place;
  std::byte request[kInlineRequest];

  // Written by the worker before RUNNING (started_ns) and before DONE (the rest).
  alignas(kCacheLine) std::uint64_t started_ns;
  std::uint64_t finished_ns;
  std::uint64_t reply_offset;  // in the `out` arena, for Place::arena
  std::uint64_t reply_bytes;
  Place reply_place;
  std::uint32_t reply_files;  // descriptors that follow on the control socket
  std::byte reply[kInlineReply];
};

static_assert(sizeof(Slot) == 4 * kCacheLine);
static_assert(offsetof(Slot, request) == 24 && offsetof(Slot, started_ns) == 2 * kCacheLine);
static_assert(offsetof(Slot, reply) == 2 * kCacheLine + 40);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::is_standard_layout_v<Slot>);

}  // namespace runner::ipc
