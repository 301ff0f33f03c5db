// seat_choice.hpp - which worker of the pool is given the next piece. Decides only.
//
// The one that would come to it first. A worker that sleeps costs a wake-up; one on the processor of the thread that hands out cannot begin
// before that thread sleeps. Single calls that follow each other go to one worker for a while, as to ask all of them for each would cost more
// than a short call takes.
//
// Called from  PoolCore, under its lock.
// Owns         nothing; seats are the core's, and stay where they are.
// Fails with   null: nobody takes more.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include <runner/units.hpp>
#include "master/pool/pool_seat.hpp"

namespace runner {

// What a sleeping worker costs to wake. Below that much queued work it is better left asleep.
inline constexpr Duration kWakeUp = std::chrono::microseconds(50);

class SeatChoice {
 public:
  // `results`: the memory that each worker has for results. `core_of`: the processor that a seat is bound to; -1: none.
  using CoreOf = std::function<int(std::uint32_t seat)>;
  SeatChoice(std::span<PoolSeat> seats, Bytes results, CoreOf core_of)
      : seats_(seats), results_(results), core_of_(std::move(core_of)) {}

  // For a single call of a thread that goes on.
  [[nodiscard]] PoolSeat* for_call(const PoolTarget& target) {
    const bool stays = last_ != nullptr && !last_->hand.empty() && last_->queued < stay_until_;
    return stays && target.time.ns() && last_->takes_more() ? last_ : another(target);
  }
  // For a piece, by a thread that is about to wait. `chunk`: workers get no more of those ahead than they need.
  [[nodiscard]] PoolSeat* for_piece(const PoolTarget& target, bool chunk) { return best(target, chunk, kWakeUp); }

  // Something of it was collected.
  void collected(const PoolSeat& seat) {
    if (&seat == last_) stay_until_ = std::min(stay_until_, seat.queued + kStay);
  }
  // It is nobody's any more.
  void emptied(const PoolSeat& seat) {
    if (&seat == last_) last_ = nullptr;
  }

 private:
  // So much work in single calls goes to one worker before another is looked for.
  static constexpr Duration kStay = std::chrono::microseconds(1);

  [[nodiscard]] PoolSeat* another(const PoolTarget& target);
  // `here_costs`: what it costs more to use a worker on this thread's own processor.
  [[nodiscard]] PoolSeat* best(const PoolTarget& target, bool chunk, Duration here_costs) const;

  std::span<PoolSeat> seats_;
  Bytes results_;
  CoreOf core_of_;
  PoolSeat* last_ = nullptr;  // that single calls go to, until it has got work for kStay
  Duration stay_until_{};     // of its queue
};

}  // namespace runner
