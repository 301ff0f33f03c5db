// hand.hpp - the jobs that one worker incarnation was given and has not answered, oldest first.
//
// Called from  the processes engine's thread.
// Owns         the record of them; the requester must outlive it.
// Fails with   what the requester fails with.
// Call order   (give | collect | take_back | head)* ; after the worker's death collect, then fate of those left
#pragma once

#include <boost/circular_buffer.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include <runner/job_spec.hpp>
#include "ipc/job_requester.hpp"
#include "master/engine.hpp"
#include "master/ledger.hpp"

namespace runner::master {

struct InHand {
  const JobSpec* job = nullptr;
  Attempt attempt{};
  ipc::Ticket ticket{};
  Duration expected{};
  bool announced = false;  // JobStarted was told
  std::optional<StopReason> stopping;
  // For the ledger.
  Ledger::Choice sample{1, true};
  TimePoint ready{}, handed{}, published{};
};

class Hand {
 public:
  explicit Hand(ipc::Requester& requester) : requester_(requester), jobs_(kMost) {}

  [[nodiscard]] bool full() const { return jobs_.full() || requester_.full(); }
  // Its ticket and what follows begin anew.
  [[nodiscard]] Result<void> give(InHand job);
  // The next completed job, out of the hand and into `job`.
  [[nodiscard]] Result<bool> collect(ipc::Completion& completion, InHand& job);
  // The newest that the worker has not begun, out of the hand, oldest first; with pipes also others that lay there.
  [[nodiscard]] std::vector<InHand> take_back_newest();
  // All that the worker has not begun, oldest first: in that order they are to be handed out again.
  [[nodiscard]] std::vector<InHand> take_back_all();
  // This one, if the worker has not begun it, and with pipes others.
  [[nodiscard]] std::vector<InHand> take_back(ipc::Ticket ticket);

  // The oldest: the one that runs, if any does.
  [[nodiscard]] InHand* head() { return jobs_.empty() ? nullptr : &jobs_.front(); }
  [[nodiscard]] const InHand* head() const { return jobs_.empty() ? nullptr : &jobs_.front(); }
  [[nodiscard]] std::uint32_t held() const { return static_cast<std::uint32_t>(jobs_.size()); }
  [[nodiscard]] Duration queued() const { return queued_; }
  [[nodiscard]] boost::circular_buffer<InHand>& jobs() { return jobs_; }
  [[nodiscard]] ipc::JobRequester& requester() { return requester_; }
  [[nodiscard]] const ipc::JobRequester& requester() const { return requester_; }

 private:
  static constexpr std::size_t kMost = 512;

  ipc::JobRequester requester_;
  boost::circular_buffer<InHand> jobs_;  // in the order of tickets
  Duration queued_{};                    // expected length of those
};

}  // namespace runner::master
