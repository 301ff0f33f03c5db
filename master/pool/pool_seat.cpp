#include "master/pool/pool_seat.hpp"

#include <algorithm>

namespace runner {

namespace {

// What a call that has a request to itself takes of its worker, beside its function.
constexpr Duration kCallOverhead = std::chrono::nanoseconds(50);

}  // namespace

void PoolTarget::learn(const PoolPiece& piece, const ipc::Reply& reply) {
  if (!piece.timed && piece.work->result_bytes() != 0) return;
  const auto items = static_cast<double>(reply.finished_items + (reply.last_part != ipc::LastPart::none ? 1 : 0));
  if (piece.timed && items > 0) {
    time.measured(static_cast<double>(Duration(reply.finished - reply.entered).count()) / items);
    call = kCallOverhead + Duration(static_cast<std::int64_t>(*time.ns()));
  }
  if (piece.work->result_bytes() == 0 && items > 0) {
    const double each = static_cast<double>(reply.stream.bytes.size() + reply.last.bytes.size()) / items;
    result_bytes = result_bytes ? *result_bytes + (each - *result_bytes) / 8 : each;
  }
}

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
