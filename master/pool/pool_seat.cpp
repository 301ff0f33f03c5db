#include "master/pool/pool_seat.hpp"

#include <algorithm>

namespace runner {

void PoolSeat::drop(boost::circular_buffer<PoolPiece>::iterator piece) {
  queued -= piece->expected;
  room -= piece->room;
  if (piece == hand.begin()) {
    hand.pop_front();
  } else {
    hand.erase(piece);
  }
}

void PoolSeat::take_back(ipc::Ticket ticket, std::vector<PoolPiece>& into) {
  std::vector<ipc::Ticket> taken;
  requester->take_back(ticket, taken);
  for (const ipc::Ticket one : taken) {
    const auto at = std::lower_bound(hand.begin(), hand.end(), one,
                                     [](const PoolPiece& piece, ipc::Ticket other) { return piece.ticket < other; });
    into.push_back(*at);
    drop(at);
  }
}

}  // namespace runner
