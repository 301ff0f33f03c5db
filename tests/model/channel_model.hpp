// channel_model.hpp - the protocol of ipc/slot.hpp as a state machine small enough to visit every state of it.
//
// One master, one worker at a time, one channel of two slots, a handful of items. Every load, store, locked instruction and
// system call that the protocol relies on is a step of its own; stores lie in store buffers (store_buffer.hpp); the worker can
// be killed between any two steps. Then the master recovers from the words and seats the next incarnation on a fresh channel.
//
// What each side does is a program, a list of operations in program order (worker_steps.cpp, master_steps.cpp). A Mutation
// edits these lists, or one decision of the master, the way a mistake would.
//
// Order of what the worker publishes, found here and relied on by the implementation:
//   claim (CAS); progress {0, 0}; RUNNING; enter 0; result 0; progress {1, end}; enter 1; result 1; ...; DONE; fence; ring
//   The progress word is reset after the claim, since before it the slot is not the worker's, and before RUNNING, since whoever
//   sees RUNNING believes it: a word left by an earlier chunk would deliver what was never run. Release stores suffice.
//   Index and end are one store: an index without its end cuts a result.
//
// What "exact" means: whoever dies while an item is in user code, that item is charged, and nobody else. Two gaps of one
// instruction remain, between the announcement of an item and its first instruction, and between its return and the next
// announcement; who is killed there is charged for that item, because nothing in memory can tell these from user code.
//
// User code is a store too, to a cell that nobody reads: its effects cannot be seen before the stores in front of them.
//
// Not here: the payloads' arenas and files, spinning, spurious wake-ups (they only help), the memory model of C++ as far as it
// is weaker than total store order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/model/explore.hpp"
#include "tests/model/store_buffer.hpp"

namespace runner::model {

enum class Property : std::uint8_t {
  none,
  ends_once,           // an item ended a second time
  runs_once,           // user code ran twice without a charge in between
  blame_exact,         // charged without having been announced, or entered, not returned and not charged
  result_whole,        // delivered before its result was written, or cut
  request_whole,       // the worker read something else than what was sent under this number
  taken_back_not_run,  // an item was run under a number that the master had taken back or given up
  slot_kept,           // the master wrote into a slot that the worker uses
  word_known,          // a word that the protocol cannot leave
  nobody_sleeps_on,    // nothing can happen any more though not everything ended: a lost wake-up
};
[[nodiscard]] const char* name_of(Property property);

enum class Mutation : std::uint8_t {
  none,
  worker_sleeps_without_fence,
  worker_sleeps_without_second_look,
  worker_sleeps_without_second_look_at_closing,
  worker_never_steps_over,
  worker_claims_without_cas,
  worker_enters_before_running,
  worker_runs_before_progress_reset,
  worker_announces_after_entering,
  worker_announces_before_result,
  worker_announces_index_before_end,
  worker_done_before_result,
  worker_rings_without_fence,
  master_ready_before_request,
  master_kicks_without_fence,
  master_takes_back_without_cas,
  master_overfills,
  master_collects_without_advancing,
  master_sleeps_without_fence,
  master_sleeps_without_look,
  master_sleeps_without_pidfd,
  master_arms_for_what_it_took_back,
  recovery_charges_claimed,
  recovery_charges_rest_of_chunk,
  recovery_requeues_running,
  recovery_requeues_done,
  recovery_delivers_announced,
  recovery_forgets_what_was_taken_back,
  recovery_keeps_channel,
};

// every_job: the worker rings for each job while the master sleeps. newest_job: only from the newest outstanding job on, and
// once for each time that the master sleeps.
enum class Bell : std::uint8_t { every_job, newest_job };

struct Config {
  std::uint8_t items = 2;  // at most 6
  std::uint8_t chunk = 1;  // items in a slot; at most 3
  std::uint8_t kills = 1;
  std::uint8_t take_backs = 1;
  Bell bell = Bell::every_job;
  Mutation mutation = Mutation::none;
};

inline constexpr std::uint8_t kDepth = 2, kMaxItems = 6, kMaxChunk = 3;

// The shared memory; indexes of cells. A word is seq << 4 | state, a request first item << 4 | count, progress index << 4 | end.
inline constexpr Cell kWord = 0, kRequest = kWord + kDepth, kProgress = kRequest + kDepth, kResult = kProgress + kDepth,
                      kSleeping = kResult + kDepth * kMaxChunk, kClosing = kSleeping + 1, kAsleep = kClosing + 1,
                      kRingFrom = kAsleep + 1, kUserCode = kRingFrom + 1, kCells = kUserCode + 1;

[[nodiscard]] constexpr std::uint8_t pack(int high, int low) { return static_cast<std::uint8_t>(high << 4 | low); }
[[nodiscard]] constexpr std::uint8_t high(std::uint8_t packed) { return packed >> 4; }
[[nodiscard]] constexpr std::uint8_t low(std::uint8_t packed) { return packed & 15; }
[[nodiscard]] constexpr Cell at_slot(Cell kind, std::uint8_t seq) { return static_cast<Cell>(kind + seq % kDepth); }
[[nodiscard]] constexpr Cell result_at(std::uint8_t seq, std::uint8_t index) {
  return static_cast<Cell>(kResult + seq % kDepth * kMaxChunk + index);
}

enum WordState : std::uint8_t { kFree, kReady, kClaimed, kRunning, kDone, kRevoked };

// ---- programs ----

// clang-format off
enum class WorkerOp : std::uint8_t {
  look, look_at_closing, say_sleeping, fence, look_again, look_at_closing_again, wait, awake,
  claim, claim_by_store, read,
  announce, announce_index, running, enter, result, done, look_at_asleep, look_at_ring_from, ring,
};
enum class MasterOp : std::uint8_t {
  choose, request, ready, fence, look_at_sleeping, exchange_sleeping, futex_wake,
  take_back, look_at_ready, take_back_by_store, collect, free,
  arm, say_asleep, look_at_words, wait, awake, say_closing, join, closed,
};
// clang-format on

struct WorkerStep {
  WorkerOp op;
  std::uint8_t index = 0;  // of the item in its chunk
  bool operator==(const WorkerStep&) const = default;
};
enum WorkerProgram : std::uint8_t { kIdle, kClaim, kRun, kWorkerPrograms = kRun + kMaxChunk };  // kRun + items - 1
using WorkerPrograms = std::array<std::vector<WorkerStep>, kWorkerPrograms>;
[[nodiscard]] WorkerPrograms worker_programs(Mutation mutation);

enum MasterProgram : std::uint8_t { kChoose, kSend, kKick, kTakeBack, kCollect, kSleep, kClose, kMasterPrograms };
using MasterPrograms = std::array<std::vector<MasterOp>, kMasterPrograms>;
[[nodiscard]] MasterPrograms master_programs(Mutation mutation, Bell bell);

// ---- state ----

enum class Life : std::uint8_t { running, sleeping, left, dead };
enum class ItemState : std::uint8_t { absent, queued, handed_out, ended };

struct Issued {
  std::uint8_t first, count;
  bool taken_back;
};

// Of the user code of an item, since it was charged last.
enum class Ran : std::uint8_t { never, entered, returned };

struct Item {
  ItemState state;
  Ran ran;
};

struct Worker {
  StoreBuffer stores;
  Life life;
  std::uint8_t program, at;
  std::uint8_t expected;
  std::uint8_t request;  // a copy
  std::uint8_t nap, rung;
  bool uses_slot;
};

struct Master {
  StoreBuffer stores;
  std::uint8_t program, at;
  std::uint8_t head, tail;
  std::uint8_t cursor;  // the job that this program is about
  bool owes_kick;
  std::array<Issued, kDepth> issued;
};

// What the master's private table says about a job; nullptr when it is not, or no longer, there.
[[nodiscard]] inline const Issued* issued_as(const Master& master, std::uint8_t seq) {
  const bool there = seq >= master.head && seq < master.tail && master.tail - seq <= kDepth;
  return there ? &master.issued[seq % kDepth] : nullptr;
}

[[nodiscard]] inline bool in_flight(const Master& master, std::uint8_t seq) {
  return seq < master.tail && !master.issued[seq % kDepth].taken_back;
}

struct State {
  Memory<kCells> memory;
  Worker worker;
  Master master;
  bool doorbell;  // the eventfd
  std::uint8_t kills, take_backs;
  std::array<Item, kMaxItems> items;
};

class ChannelModel {
 public:
  using State = model::State;
  using Property = model::Property;
  using Steps = std::vector<Step<State, Property>>;

  explicit ChannelModel(const Config& config);

  [[nodiscard]] State first() const;
  void steps(const State& state, Steps& out) const;

 private:
  void worker_steps(const State& state, Steps& out) const;
  void worker_drains(const State& state, Steps& out) const;
  void master_steps(const State& state, Steps& out) const;
  void master_chooses(const State& state, Steps& out) const;
  void master_drains(const State& state, Steps& out) const;

  void hand_out(State& state) const;
  [[nodiscard]] Value nap(const State& state) const;
  [[nodiscard]] Property deliver(State& state, std::uint8_t seq, std::uint8_t index) const;

  void bury(const State& state, Steps& out) const;
  [[nodiscard]] Property recover(State& state, std::uint8_t seq, int& charges) const;
  void seat_worker(State& state) const;

  [[nodiscard]] bool is(Mutation mutation) const { return config_.mutation == mutation; }

  Config config_;
  WorkerPrograms worker_programs_;
  MasterPrograms master_programs_;
};

}  // namespace runner::model
