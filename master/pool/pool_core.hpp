// pool_core.hpp - the workings of the process pool (runner/process_pool.hpp has what others need).
//
// A piece is some items of one work: a call, or a chunk of a map. Each worker has a hand of pieces, in the order in which it goes
// through them; a piece comes back done, done in part (the rest is handed out again), or its worker dies in it. Whoever waits does
// the work of the pool: collect, hand out, let idle workers have what lies unbegun elsewhere, and with nothing to do say so, look
// once more, sleep. One thread at a time does it; others that wait sleep until it has made progress.
//
// Called from  any thread; one lock.
// Owns         the crew; works are their callers' until they ended.
// Fails with   PoolError.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <runner/process_pool.hpp>
#include <runner/registry.hpp>
#include <string>
#include <vector>

#include "ipc/inheritance.hpp"
#include "ipc/requester.hpp"
#include "ipc/shared_state.hpp"
#include "ipc/spin_budget.hpp"
#include "master/engines/process_crew.hpp"
#include "master/pool/functions.hpp"
#include "master/pool/pool_seat.hpp"
#include "master/pool/seat_choice.hpp"

namespace runner {

class PoolCore final : private master::CrewOwner {
 public:
  explicit PoolCore(const PoolOptions& options);
  ~PoolCore() override;

  void submit(PoolWork& work);
  void run(PoolWork& work, std::size_t items);
  void wait(const std::atomic<CallStage>& stage);

  // False in a process that was forked from the one that made it.
  [[nodiscard]] bool is_ours() const { return made_at_ == ipc::fork_count(); }
  [[nodiscard]] std::uint32_t procs() const { return options_.procs; }
  [[nodiscard]] std::vector<PoolWorker> workers();
  [[nodiscard]] const Shared& shared() const { return shared_.view(); }

 private:
  // What the thread that waits waits for: a call, or the end of everything that is out.
  enum class Awaited : std::uint8_t { one, all };

  using Run = PoolRun;
  using Target = PoolTarget;
  using Piece = PoolPiece;
  using Seat = PoolSeat;

  bool bury(std::uint32_t seat, const master::WorkerProcess::Death& death) override;
  [[nodiscard]] bool anything_done() const override;
  void seated(std::uint32_t seat) override;

  template <class Done>
  void work_until(std::unique_lock<std::mutex>& lock, Awaited awaited, const Done& done);
  // True: something was collected or handed out.
  bool poll();
  void idle(std::unique_lock<std::mutex>& lock, Awaited awaited);
  [[nodiscard]] bool wait_beside_sleeper();
  void wake_sleeper();
  [[nodiscard]] bool spin();
  void arm(Awaited awaited);
  void check_ours() const;
  void check_well() const;
  void forget(const Run& run);

  [[nodiscard]] std::uint32_t number_of(const Seat& seat) const { return static_cast<std::uint32_t>(&seat - seats_.data()); }
  [[nodiscard]] Target& target_of(const PoolWork& work);
  void hand_out();
  [[nodiscard]] Piece cut(Run& run);
  void give(Seat& seat, const Piece& what);
  void give_singly(const Piece& piece, const char* why);
  void rebalance();
  void kick_all();

  bool collect(Seat& seat);
  void deliver(Seat& seat, ipc::Reply& reply);
  void broken(Seat& seat, const std::string& how);

  const std::uint32_t made_at_ = ipc::fork_count();
  PoolOptions options_;
  Registry registry_;
  ipc::SharedState shared_;
  std::vector<Seat> seats_;
  master::ProcessCrew crew_;

  std::mutex mutex_;  // guards all that follows and precedes, but for the options
  std::condition_variable changed_;
  bool polling_ = false;          // somebody sleeps for all
  bool sleeps_long_ = false;      // ... until it is woken
  bool armed_ = false;            // the workers were told when to ring for all that is out
  std::optional<Error> trouble_;  // why nothing works any more

  std::deque<Piece> pending_;
  std::vector<Run*> runs_;
  Functions functions_;
  SeatChoice choice_;
  std::uint64_t idle_turns_ = 0;  // how often a worker had nothing left
  ipc::SpinBudget spin_budget_;
  std::string scratch_;
  bool progressed_ = false;  // a reply came since the last death
  bool lazy_ = false;        // somebody was told to ring late, or holds what somebody idle could do
  bool patient_ = true;      // ... and may be
  bool exhausted_ = false;   // something could not be sent, and may be a little later
};

}  // namespace runner
