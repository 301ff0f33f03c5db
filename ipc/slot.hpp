// slot.hpp - one request's place in a channel: the request, its state and its reply in four cache lines.
//
// Called from  Requester: the master's loop thread. Responder: the worker's only thread.
// Owns         nothing; it lies in a SharedRegion that must outlive it.
// Survives     the other side's death at any instruction: two words tell how far the request came.
//
//   FREE -M store-> READY -W CAS-> CLAIMED -W store-> RUNNING -(user code)- W store-> DONE -M-> FREE
//                   READY -M CAS-> REVOKED          (the master takes it back)
//
// The word is seq << 4 | state; seq counts the requests of a channel from 0, slot = seq mod depth. A word with a later seq than
// the one the worker expects means that the expected one was taken back and its slot used again.
//
// A request of several items (a chunk) has its results one after another in the worker's `out` arena, and `progress` says from
// RUNNING on how far they came (item_sink.hpp). Where the results lie is published before RUNNING, so what was finished before a
// crash is kept.
//
// A small request touches the first line, its small reply the third, and nothing else: what one side does not have to write, and the
// other need not read, is not taken from its core to the other's. Layout: docs/shm-layout.md; checked by the
// static_asserts below.
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
enum class Place : std::uint16_t { inline_ = 0, arena = 1, memfd = 2 };

// What a request's bytes are: a job of a batch (message.hpp), or calls of a function (call_message.hpp).
enum class Form : std::uint8_t { job = 0, call = 1 };

// What the last part of a reply is: nothing (all results are in the stream), the result of the item that was entered last, or
// the text of why that item failed.
enum class LastPart : std::uint16_t { none = 0, result = 1, failure = 2 };

inline constexpr std::size_t kInlineRequest = 88;
inline constexpr std::size_t kInlineReply = 64;

struct alignas(kCacheLine) Slot {
  // Written by the master before READY, except the word.
  std::atomic<std::uint64_t> word;
  std::uint64_t request_bytes;
  std::uint32_t items;
  Form form;
  std::uint8_t timed;  // 1: started_ns and finished_ns are wanted
  Place request_place;
  std::byte request[kInlineRequest];
  std::uint64_t request_offset;  // in the `in` arena, for Place::arena
  std::uint64_t stream_room;     // of several items: bytes that their results will take, as far as the master knows

  // Written by the worker: progress, and started_ns and stream_offset where they are wanted, before RUNNING; progress again between
  // items; the rest before DONE.
  alignas(kCacheLine) std::atomic<std::uint64_t> progress;
  std::uint64_t started_ns;
  std::uint64_t finished_ns;
  std::uint64_t reply_bytes;
  Place reply_place;
  LastPart last_part;
  std::uint32_t reply_files;  // descriptors that follow on the control socket
  std::byte reply[kInlineReply];
  std::uint64_t reply_offset;   // in the `out` arena, for Place::arena
  std::uint64_t stream_offset;  // of several items: their results in the `out` arena; that of one lies in `reply`
  std::uint64_t padding;
};

static_assert(sizeof(Slot) == 4 * kCacheLine);
static_assert(offsetof(Slot, request) == 24 && offsetof(Slot, progress) == 2 * kCacheLine);
static_assert(offsetof(Slot, reply) == 2 * kCacheLine + 40);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::is_standard_layout_v<Slot>);

}  // namespace runner::ipc
