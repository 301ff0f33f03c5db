// item_sink.hpp - where the results of a request's items go, and the one word that says how far the items came.
//
// A request may carry a chunk of items (a slice of a map). Before the code of item i is entered (the reading of its arguments is
// part of it), {i, end of the results so far} is published in one 64-bit word, and after the last item {items, end}. So whoever
// looks when the process has died knows which item it died in, and where the results of those before it end. An item whose result
// is kept counts as the one it died in until the next word is published, a few instructions later.
//
// Called from  the thread that runs the items.
// Owns         nothing; `room` and the word belong to the connection.
// Fails with   enter, overflow: what the connection throws when it is broken.
// Call order   (enter keep?)* ; enter(items) ; or, instead of the last keep, overflow, and no item after it
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runner/wire.hpp"

namespace runner {

// How far the items of a request came, as it is published. 24 bits of index, 40 of offset.
struct ItemProgress {
  std::uint32_t item = 0;  // the one whose code was entered last; all before it are finished
  std::uint64_t end = 0;   // of the results of those, in bytes
  bool operator==(const ItemProgress&) const = default;
};
inline constexpr std::uint32_t kMostItems = (1U << 24) - 1;
inline constexpr std::uint64_t kMostStream = (std::uint64_t{1} << 40) - 1;
[[nodiscard]] constexpr std::uint64_t pack(ItemProgress progress) { return progress.end << 24 | progress.item; }
[[nodiscard]] constexpr ItemProgress unpack_progress(std::uint64_t bits) {
  return {static_cast<std::uint32_t>(bits & kMostItems), bits >> 24};
}

class ItemSink {
 public:
  virtual ~ItemSink() = default;

  void enter(std::uint32_t item) {
    item_ = item;
    if (word_ != nullptr) {
      // release: the results of the items before it are in place. partner: whoever looks after the death
      word_->store(pack(ItemProgress{item, used_}), std::memory_order_release);
    } else {
      tell();
    }
  }
  [[nodiscard]] std::uint32_t item() const { return item_; }

  // Free space for the result of the current item, and that it took so many bytes of it.
  [[nodiscard]] std::span<std::byte> room() const { return room_.subspan(static_cast<std::size_t>(used_)); }
  void keep(std::size_t bytes) { used_ += bytes; }

  // The result of the current item, which does not fit into the room: it is taken at once, in another way, and is the last of
  // this request.
  virtual void overflow(const WireContent& result) = 0;

 protected:
  // Publishes item_ in another way than by the word.
  virtual void tell() = 0;

  std::atomic<std::uint64_t>* word_ = nullptr;
  std::span<std::byte> room_;
  std::uint64_t used_ = 0;
  std::uint32_t item_ = 0;
};

}  // namespace runner
