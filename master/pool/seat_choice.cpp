#include "master/pool/seat_choice.hpp"

#include <sched.h>

namespace runner {

namespace {

using std::chrono::microseconds;

// What a worker costs that is woken on the processor of a thread which goes on: it takes it away for that long, and others that this thread
// would have fed meanwhile go hungry. Whoever is about to wait gives its processor anyway.
constexpr Duration kSlice = std::chrono::milliseconds(1);
// As much work as a worker gets ahead in chunks, and in how many of them.
constexpr Duration kWindow = microseconds(500);
constexpr std::uint32_t kMostChunks = 32;
constexpr std::uint32_t kUnknownChunks = 4;
// Of the memory for results: in all requests that are outstanding.
constexpr std::uint64_t kHandShare = 2;

}  // namespace

PoolSeat* SeatChoice::another(const PoolTarget& target) {
  last_ = best(target, false, kSlice);
  if (last_ != nullptr) stay_until_ = last_->queued + kStay;
  return last_;
}

// Who knows nothing of the work spreads it.
PoolSeat* SeatChoice::best(const PoolTarget& target, bool chunk, Duration here_costs) const {
  const int here = ::sched_getcpu();
  PoolSeat* chosen = nullptr;
  Duration least = Duration::max();
  for (PoolSeat& seat : seats_) {
    if (!seat.takes_more()) continue;
    Duration load = seat.queued;
    if (chunk) {
      if (seat.hand.size() >= (target.time.ns() ? kMostChunks : kUnknownChunks)) continue;
      if (!seat.hand.empty() && (seat.queued >= kWindow || seat.room >= results_.count / kHandShare)) continue;
    }
    if (!target.time.ns()) {
      load = Duration(static_cast<std::int64_t>(seat.hand.size()));
    } else {
      load = seat.time_until_free(kWakeUp);
      if (core_of_(static_cast<std::uint32_t>(&seat - seats_.data())) == here) load += here_costs;
    }
    // Of several with nothing to do, the one that had something last: what it needs is warm.
    if (load < least || (load == least && seat.idle_since > chosen->idle_since)) {
      least = load;
      chosen = &seat;
    }
  }
  return chosen;
}

}  // namespace runner
