// still_thread.hpp - a thread of ours beside which this process may fork: it stands still between two pieces of its work meanwhile.
//
// A fork copies the thread that forks, and what all others hold at that moment stays held in the copy for ever. glibc sees to its own
// locks; this sees to those of whatever library a piece of work is in.
//
// Called from  the thread itself.
// Owns         nothing; a fork waits until the piece that is being done is done.
// Fails with   cannot fail.
// Never        forks inside of a piece.
#pragma once

#include <cstdint>

namespace runner::ipc {

// Lives as long as its thread.
class StillThread {
 public:
  StillThread();
  ~StillThread();
  StillThread(const StillThread&) = delete;
  StillThread& operator=(const StillThread&) = delete;

  class Piece {
   public:
    Piece();
    ~Piece();
    Piece(const Piece&) = delete;
    Piece& operator=(const Piece&) = delete;
  };
};

// How many threads of this process are such.
[[nodiscard]] std::uint32_t still_threads();

}  // namespace runner::ipc
