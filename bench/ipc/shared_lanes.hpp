// shared_lanes.hpp - messages through shared memory in cells, one lane each way; how its reader waits is a Bell.
//
// A cell begins with the number of the message it holds, in the same cache line as a message of up to 56 bytes: 8 bytes there
// and back move two cache lines and nothing else. A larger message begins on the next line, so that it is copied aligned.
// Nobody says that a cell is free again: the answer says it, because no more messages are unanswered than there are cells.
//
//   struct Bell {                                      // in shared memory, one per lane, placed before the fork
//     explicit Bell(const Demand&);                    // throws std::system_error
//     void ring();                                     // writer: after a message was published
//     template <class Seen> void await(Seen seen);     // reader: returns when seen()
//   };
//
// Called from  a mechanism's connect. Links own the mapping together; it goes with the last of them.
// Fails with   std::bad_alloc, std::system_error: no memory or no descriptors; connect_lanes makes an Error of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>

#include "bench/ipc/mechanism.hpp"
#include "bench/ipc/shared_pages.hpp"

namespace runner::bench {

inline constexpr std::size_t kLine = 64;

template <class Bell>
class Lane {
 public:
  Lane(std::size_t cells, std::size_t message, const Demand& demand)
      : cells_(cells),
        message_(message),
        body_(message <= kLine - sizeof(Number) ? sizeof(Number) : kLine),
        stride_((body_ + message + 2 * kLine - 1) / (2 * kLine) * (2 * kLine)),
        pages_(kCellsFrom + cells * stride_),
        bell_(*new(pages_.data()) Bell(demand)) {
    static_assert(sizeof(Bell) <= kCellsFrom);
    for (std::size_t n = 0; n < cells; ++n) new (cell(n)) Number(0);
  }
  ~Lane() { bell_.~Bell(); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  void write(std::uint64_t n, Message message) {
    std::byte* const to = cell(n);
    std::memcpy(to + body_, message.data(), message_);
    // Release: partner of the acquire in read; the bytes above come first.
    number(to).store(n + 1, std::memory_order_release);
    bell_.ring();
  }
  [[nodiscard]] Message read(std::uint64_t n) {
    const std::byte* const from = cell(n);
    bell_.await([&] { return number(cell(n)).load(std::memory_order_acquire) == n + 1; });
    return {from + body_, message_};
  }
  [[nodiscard]] std::size_t cells() const { return cells_; }

 private:
  using Number = std::atomic<std::uint64_t>;
  static_assert(Number::is_always_lock_free && sizeof(Number) == 8);
  static constexpr std::size_t kCellsFrom = 4 * kLine;

  [[nodiscard]] std::byte* cell(std::uint64_t n) const { return pages_.data() + kCellsFrom + (n % cells_) * stride_; }
  [[nodiscard]] static Number& number(std::byte* cell) { return *std::launder(reinterpret_cast<Number*>(cell)); }

  std::size_t cells_, message_, body_, stride_;
  SharedPages pages_;
  Bell& bell_;
};

template <class Bell>
class LaneEnd final : public End {
 public:
  LaneEnd(Lane<Bell>& out, Lane<Bell>& in) : out_(out), in_(in) {}
  void send(Message message) override { out_.write(sent_++, message); }
  [[nodiscard]] Message receive() override { return in_.read(received_++); }

 private:
  Lane<Bell>&out_, &in_;
  std::uint64_t sent_ = 0, received_ = 0;
};

template <class Bell>
class LaneLink final : public Link {
 public:
  explicit LaneLink(const Demand& demand)
      : there_(demand.window, demand.there, demand), back_(demand.window, demand.back, demand) {}
  [[nodiscard]] std::unique_ptr<End> parent() override { return std::make_unique<LaneEnd<Bell>>(there_, back_); }
  [[nodiscard]] std::unique_ptr<End> child() override { return std::make_unique<LaneEnd<Bell>>(back_, there_); }
  [[nodiscard]] std::size_t window() const override { return there_.cells(); }

 private:
  Lane<Bell> there_, back_;
};

template <class Bell>
[[nodiscard]] Result<std::vector<std::unique_ptr<Link>>> connect_lanes(const Demand& demand) try {
  std::vector<std::unique_ptr<Link>> links;
  for (std::size_t n = 0; n < demand.children; ++n) links.push_back(std::make_unique<LaneLink<Bell>>(demand));
  return links;
} catch (const std::exception& refused) {
  return fail(ErrorCode::system, refused.what());
}

}  // namespace runner::bench
