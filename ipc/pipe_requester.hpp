// pipe_requester.hpp - the master's end of a pair of pipes to one worker (requester.hpp has the contract).
//
// Frames out: ticket, items, room for their results, form, request. Frames in, for the oldest request: "entered" before the
// user's code, "progress" before each further item with the results since, "reply" at the end. What was written before a worker
// died is still read after its death.
//
// The pipe of requests is in packet mode: a request of at most PIPE_BUF bytes is one packet, read whole or not at all. So the
// master takes requests back by reading from its own pipe: a packet goes either to the worker or to us, never to both. A longer
// request is written only when the worker has nothing else, and is then as good as claimed.
//
// Never        blocks: what a full pipe does not take waits in memory, and full() says so.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <runner/unique_fd.hpp>
#include "ipc/frame.hpp"
#include "ipc/requester.hpp"

namespace runner::ipc {

enum class PipeTag : std::uint8_t { entered = 1, progress = 2, reply = 3 };

// What the results of the items of one request may take; with more, the chunk ends early.
inline constexpr std::uint64_t kMostPipeStream = std::uint64_t{64} << 10;
// Of one result: a message has a length of 32 bits.
inline constexpr std::uint64_t kMostPipeResult = std::uint64_t{3} << 30;

class PipeRequester final : public Requester {
 public:
  // The requester, and the worker's ends: requests, replies.
  struct Made {
    std::unique_ptr<PipeRequester> requester;
    UniqueFd requests, replies;
  };
  // `max_result`, at most kMostPipeResult (usage): a reply that is much longer breaks the rules.
  [[nodiscard]] static Result<Made> create(int control, std::uint64_t max_result);

  [[nodiscard]] bool full() const override;
  [[nodiscard]] Result<Ticket> send(const Request& request) override;
  Result<void> kick() override;
  [[nodiscard]] Result<Reply*> front() override;
  void pop() override;
  void take_back(Ticket ticket, std::vector<Ticket>& taken) override;
  [[nodiscard]] std::optional<TimePoint> entered(Ticket ticket) const override;
  [[nodiscard]] Wreck wreck(Ticket ticket) const override;
  void arm(Ticket) override {}
  [[nodiscard]] bool done(Ticket) const override { return replies_in_.ready(); }
  [[nodiscard]] int doorbell() const override { return replies_.get(); }
  void hush() override {}
  [[nodiscard]] int blocked_fd() const override { return blocked_ ? requests_.get() : -1; }
  void close() override;

 private:
  struct Issued {
    std::uint64_t ticket = 0;
    std::uint32_t items = 1;
    std::uint64_t stream_room = 0;
    std::string frame;
    std::size_t written = 0;  // bytes of it that are in the pipe, or were
    [[nodiscard]] bool large() const;
    [[nodiscard]] bool in_pipe() const { return written == frame.size(); }
  };
  PipeRequester(int control, UniqueFd requests, UniqueFd taking, UniqueFd replies, std::size_t longest)
      : control_(control),
        requests_(std::move(requests)),
        taking_(std::move(taking)),
        replies_(std::move(replies)),
        replies_in_(longest) {}
  // True when `message` was the reply.
  [[nodiscard]] Result<bool> take(std::span<const std::byte> message);
  [[nodiscard]] Result<void> take_progress(std::uint32_t item, std::span<const std::byte> results);
  [[nodiscard]] bool may_write(std::size_t index) const;
  void steal(std::vector<Ticket>& taken);

  int control_;
  UniqueFd requests_, taking_;  // both ends of one pipe: ours to write, and a way to read back
  UniqueFd replies_;
  FrameReader replies_in_;
  std::deque<Issued> issued_;  // outstanding, oldest first; those in the pipe before those that wait
  std::uint64_t next_ = 0;
  std::size_t waiting_ = 0;  // bytes not in the pipe
  bool blocked_ = false;     // the pipe took not all of what may be written
  bool closed_ = false;      // no more will be sent; the pipe closes once all is written
  // Of the oldest outstanding request:
  std::optional<TimePoint> entered_;
  std::uint32_t item_ = 0;
  std::string stream_;
  Reply reply_;
  std::string last_;
  bool read_ = false;
};

}  // namespace runner::ipc
