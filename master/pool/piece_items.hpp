// piece_items.hpp - what becomes of the items of a piece: their results are read, or they fail; and when the last one ended, so has its work.
//
// Reading a result, and taking a failure, may be the user's code.
//
// Called from  PoolCore, under its lock.
// Owns         nothing.
// Fails with   nothing: what the user's code throws fails the item at fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <runner/outcome.hpp>
#include "ipc/requester.hpp"
#include "master/pool/pool_seat.hpp"

namespace runner {

// The results of `count` items from `first` on. `scratch`: memory that is used again. Where one cannot be read, it has none, nor have those
// behind it, as nobody knows where they begin; that is no reason to think ill of the worker.
void read_items(const PoolPiece& piece, std::size_t first, std::uint32_t count, const ipc::ReplyBytes& from,
                std::string& scratch);
// So many more have ended.
inline void items_ended(const PoolPiece& piece, std::size_t items) {
  if (piece.run != nullptr) {
    piece.run->ended += items;
    if (piece.run->ended == piece.run->total) piece.work->end();
  } else if (items != 0) {
    piece.work->end();
  }
}
// They end so.
void fail_items(const PoolPiece& piece, std::size_t first, std::size_t count, const Ending& ending);
// What is left of it when its first `done` items have ended: not entered, so it can be handed out again.
[[nodiscard]] PoolPiece rest_of(const PoolPiece& piece, std::size_t done);

}  // namespace runner
