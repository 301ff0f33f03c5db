// pipe_requester.hpp - the master's end of a pair of pipes to one worker (requester.hpp has the contract).
//
// Frames out: ticket, request. Frames in: "entered" {ticket, time} before the job's code, then "reply" {ticket, entered,
// finished, files, reply}. What was written before a worker died is still read after its death.
//
// A request that is in the pipe cannot be taken back: take_back() always declines, so the engine hands out less ahead.
// Never        blocks: what a full pipe does not take waits in memory, and full() says so.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include <runner/unique_fd.hpp>
#include "ipc/frame.hpp"
#include "ipc/requester.hpp"

namespace runner::ipc {

enum class PipeTag : std::uint8_t { entered = 1, reply = 2 };

class PipeRequester final : public Requester {
 public:
  // The requester, and the worker's ends: requests, replies.
  struct Made {
    std::unique_ptr<PipeRequester> requester;
    UniqueFd requests, replies;
  };
  [[nodiscard]] static Result<Made> create(int control);

  [[nodiscard]] bool full() const override;
  [[nodiscard]] Result<Ticket> send(JobId job, Attempt attempt, const Work& work) override;
  Result<void> kick() override;
  [[nodiscard]] Result<bool> collect(Completion& completion) override;
  [[nodiscard]] bool take_back(Ticket) override { return false; }
  [[nodiscard]] std::optional<TimePoint> entered(Ticket ticket) const override;
  [[nodiscard]] Fate fate(Ticket ticket) const override;
  void arm(Ticket) override {}
  [[nodiscard]] bool done(Ticket) const override { return replies_in_.ready(); }
  [[nodiscard]] int doorbell() const override { return replies_.get(); }
  void hush() override {}
  [[nodiscard]] int blocked_fd() const override { return requests_out_.waiting() != 0 ? requests_.get() : -1; }
  void close() override { requests_.reset(); }

 private:
  struct Issued {
    JobId job{};
    Attempt attempt{};
  };
  PipeRequester(int control, UniqueFd requests, UniqueFd replies)
      : control_(control), requests_(std::move(requests)), replies_(std::move(replies)) {}
  // True when `message` was a reply.
  [[nodiscard]] Result<bool> take(std::span<const std::byte> message, Completion& completion);

  int control_;
  UniqueFd requests_, replies_;
  FrameWriter requests_out_;
  FrameReader replies_in_;
  std::deque<Issued> issued_;  // outstanding, oldest first
  std::uint64_t head_ = 0, tail_ = 0;
  std::optional<TimePoint> entered_;  // the oldest outstanding one
};

}  // namespace runner::ipc
