// What workers of this program are reached by: the slot channel in shared memory, whose master looks for answers or sleeps, and the
// pair of pipes. Requests and replies as in a run, without jobs in them; each side does what the engine and the worker do.
#include <sched.h>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <utility>

#include "bench/ipc/mechanisms.hpp"
#include "ipc/relax.hpp"
#include "tests/channel_ends.hpp"

namespace runner::bench {
namespace {

enum class Wait { spinning, sleeping };

// As in a pool.
constexpr std::uint32_t kWorkerSpinsNs = 10'000;
constexpr std::size_t kMemfdFrom = std::size_t{1} << 20;
constexpr std::size_t kMostMemfds = 4;  // in flight; the requester has a limit

template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class BytesContent final : public WireContent {
 public:
  explicit BytesContent(Message message) : message_(message) {}
  void write(ByteWriter& out) const override { out.put(message_.data(), message_.size()); }

 private:
  Message message_;
};

class MasterEnd final : public End {
 public:
  MasterEnd(ipc::ChannelEnds& ends, Wait wait, bool crowded) : ends_(ends), wait_(wait), crowded_(crowded) {}

  void send(Message message) override {
    pop();
    const BytesContent content(message);
    static_cast<void>(value_or_throw(requester_.send({.form = ipc::Form::call, .timed = false, .content = content})));
    ++sent_;
  }
  void flush() override { value_or_throw(requester_.kick()); }
  [[nodiscard]] Message receive() override {
    pop();
    for (int looks = 1;; ++looks) {
      if (const ipc::Reply* const reply = value_or_throw(requester_.front())) {
        ++received_;
        unpopped_ = true;
        return reply->last.bytes;
      }
      if (wait_ == Wait::sleeping) {
        ends_.sleep(
            ipc::Ticket{received_ + (sent_ - received_) / 2});  // half of what is out, as a pool that has more to hand out
      } else if (crowded_ || looks % kPatience == 0) {
        ::sched_yield();
      } else {
        ipc::relax();
      }
    }
  }

 private:
  static constexpr int kPatience = 512;

  void pop() {
    if (std::exchange(unpopped_, false)) requester_.pop();
  }

  ipc::ChannelEnds& ends_;
  ipc::Requester& requester_ = ends_.jobs->bytes();
  Wait wait_;
  bool crowded_;
  std::uint64_t sent_ = 0, received_ = 0;
  bool unpopped_ = false;
};

class WorkerEnd final : public End {
 public:
  explicit WorkerEnd(ipc::Responder& responder) : responder_(responder) {}

  [[nodiscard]] Message receive() override {
    const std::optional<ipc::Incoming> request = value_or_throw(responder_.next());
    if (!request) throw std::runtime_error("the other side closed");
    value_or_throw(responder_.entering());
    return request->bytes;
  }
  void send(Message message) override {
    const BytesContent content(message);
    value_or_throw(responder_.answer({.last_part = ipc::LastPart::result, .last = &content, .attached = {}}));
  }

 private:
  ipc::Responder& responder_;
};

class ChannelLink final : public Link {
 public:
  ChannelLink(ipc::ChannelEnds ends, Wait wait, bool crowded, std::size_t window)
      : ends_(std::move(ends)), wait_(wait), crowded_(crowded), window_(window) {}
  [[nodiscard]] std::unique_ptr<End> parent() override {
    ends_.worker_control.reset();
    return std::make_unique<MasterEnd>(ends_, wait_, crowded_);
  }
  [[nodiscard]] std::unique_ptr<End> child() override {
    ends_.master_control.reset();
    value_or_throw(accept_channel(ends_));
    return std::make_unique<WorkerEnd>(*ends_.responder);
  }
  [[nodiscard]] std::size_t window() const override { return window_; }

 private:
  ipc::ChannelEnds ends_;
  Wait wait_;
  bool crowded_;
  std::size_t window_;
};

class OurChannel final : public Mechanism {
 public:
  OurChannel(const char* name, ipc::Transport transport, Wait wait) : name_(name), transport_(transport), wait_(wait) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] Result<std::vector<std::unique_ptr<Link>>> connect(const Demand& demand) const override {
    const bool memfds = transport_ == ipc::Transport::shm && std::max(demand.there, demand.back) >= kMemfdFrom;
    const std::size_t window = memfds ? std::min(demand.window, kMostMemfds) : demand.window;
    const ipc::ShmGeometry geometry{.depth = static_cast<std::uint32_t>(std::bit_ceil(std::max<std::size_t>(window, 2))),
                                    .out_bytes = arena_for(demand.back, window),
                                    .memfd_from = kMemfdFrom};
    const std::uint32_t spin_ns = wait_ == Wait::spinning && !demand.crowded ? kWorkerSpinsNs : 0;
    std::vector<std::unique_ptr<Link>> links;
    for (std::size_t n = 0; n < demand.children; ++n) {
      Result<ipc::ChannelEnds> ends = offer_channel(transport_, geometry, arena_for(demand.there, window), spin_ns);
      if (!ends) return tl::unexpected(ends.error());
      links.push_back(std::make_unique<ChannelLink>(std::move(*ends), wait_, demand.crowded, window));
    }
    return links;
  }

 private:
  // One payload may take a quarter of an arena.
  [[nodiscard]] static std::size_t arena_for(std::size_t message, std::size_t window) {
    constexpr std::size_t least = std::size_t{64} << 10;
    return message >= kMemfdFrom ? least : std::max({least, 4 * message, 2 * message * window});
  }

  const char* name_;
  ipc::Transport transport_;
  Wait wait_;
};

}  // namespace

std::unique_ptr<Mechanism> make_our_channel_spinning() {
  return std::make_unique<OurChannel>("our channel, spinning", ipc::Transport::shm, Wait::spinning);
}
std::unique_ptr<Mechanism> make_our_channel_sleeping() {
  return std::make_unique<OurChannel>("our channel, sleeping", ipc::Transport::shm, Wait::sleeping);
}
std::unique_ptr<Mechanism> make_our_pipe() {
  return std::make_unique<OurChannel>("our pipe transport", ipc::Transport::pipe, Wait::sleeping);
}

}  // namespace runner::bench
