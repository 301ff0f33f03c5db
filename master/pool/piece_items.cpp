#include "master/pool/piece_items.hpp"

#include <exception>
#include <runner/process_pool.hpp>
#include <span>

namespace runner {

void read_items(const PoolPiece& piece, std::size_t first, std::uint32_t count, const ipc::ReplyBytes& from,
                std::string& scratch) {
  std::span<const std::byte> bytes = from.bytes;
  if (from.owner == nullptr && !piece.work->copies()) {
    scratch.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    bytes = as_bytes(scratch);
  }
  ByteReader in(bytes, from.owner);
  std::size_t read = 0;
  std::string why;
  try {
    piece.work->read(first, count, in, read);
    if (in.left() == 0) return;
    read = count - 1;
    why = "bytes are left over after it";
  } catch (const std::exception& error) {
    why = error.what();
  } catch (...) {
    why = "something that is no std::exception was thrown";
  }
  const std::size_t at_fault = first + read, end = first + count;
  piece.work->fail(at_fault, JobError(Failed{"its result cannot be read: " + why}, at_fault));
  for (std::size_t item = at_fault + 1; item < end; ++item) {
    const std::string of = std::to_string(at_fault);
    piece.work->fail(item,
                     JobError(Failed{"its result lies behind that of item " + of + ", which cannot be read: " + why}, item));
  }
}

void fail_items(const PoolPiece& piece, std::size_t first, std::size_t count, const Ending& ending) {
  for (std::size_t item = first; item < first + count; ++item) piece.work->fail(item, JobError(ending, item));
  items_ended(piece, count);
}

PoolPiece rest_of(const PoolPiece& piece, std::size_t done) {
  PoolPiece rest = piece;
  rest.first += done;
  rest.count -= static_cast<std::uint32_t>(done);
  return rest;
}

}  // namespace runner
