// pool_seat.hpp - what a worker of the pool has in hand.
//
// Called from  PoolCore, under its lock.
// Owns         the list of pieces; works, runs and targets are others'.
#pragma once

#include <boost/circular_buffer.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <runner/pool_work.hpp>
#include <runner/units.hpp>
#include <string>
#include <vector>

#include "ipc/call_message.hpp"
#include "ipc/requester.hpp"
#include "master/pool/typical_time.hpp"

namespace runner {

// A map under way.
struct PoolRun {
  PoolWork* work;
  std::size_t total;
  std::size_t next = 0;   // the first item that was not cut into a piece yet
  std::size_t ended = 0;  // items
};

struct PoolTarget;

// Some items of one work: a call, or a chunk of a map.
struct PoolPiece {
  PoolWork* work = nullptr;
  PoolRun* run = nullptr;  // null: a single call
  PoolTarget* target = nullptr;
  std::size_t first = 0;
  ipc::Ticket ticket{};
  Duration expected{};
  std::uint64_t room = 0;
  std::uint32_t count = 1;
  bool timed = false;
};

// What is known of a function.
struct PoolTarget {
  static constexpr Duration kUnknownCall = std::chrono::microseconds(1);

  // From what came back for a piece.
  void learn(const PoolPiece& piece, const ipc::Reply& reply);

  ipc::CallHeader header;
  master::TypicalTime time;            // of one item
  Duration call = kUnknownCall;        // expected of a call that has a request to itself
  std::optional<double> result_bytes;  // of one item, where that is not fixed
  std::uint32_t untimed = 0;           // requests since the last that was timed
};

struct PoolSeat {
  explicit PoolSeat(std::uint64_t deaths = 0) : replaced(deaths) {}

  [[nodiscard]] bool takes_more() const {
    return requester != nullptr && broke_rules.empty() && !hand.full() && !requester->full();
  }
  // What stands between the worker and the next thing it is given. Who sleeps has done all it had, collected or not.
  [[nodiscard]] Duration time_until_free(Duration wake_up) const { return requester->asleep() ? wake_up : queued; }

  // From the hand, and from the sums.
  void drop(boost::circular_buffer<PoolPiece>::iterator piece);
  // Adds to `into` what the worker has not begun and will not begin.
  void take_back(ipc::Ticket ticket, std::vector<PoolPiece>& into);

  ipc::Requester* requester = nullptr;     // from when it took requests
  boost::circular_buffer<PoolPiece> hand;  // outstanding, in the order of tickets
  Duration queued{};                       // expected length of those
  std::uint64_t room = 0;                  // for results, of those
  bool unkicked = false;
  std::string broke_rules;
  std::uint64_t replaced;
  std::uint64_t idle_since = 0;  // in turns of the pool
};

}  // namespace runner
