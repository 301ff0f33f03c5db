// job_requester.hpp - a connection that carries jobs of a batch: Work out, Outcome back, over any requester.
//
// It adds to requester.hpp, whose contract holds here too, what a job is: the reply must be for the job and attempt that was
// asked, and read as one. A reply that does not is a protocol error, and counts as not given. One that came and could not be taken,
// for want of memory or descriptors here, fails its job.
//
// Called from  the master's loop thread.
// Owns         which job each outstanding ticket is; the requester must outlive it.
// Call order   as requester.hpp; after a death collect until it has no more, then fate
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include <runner/ids.hpp>
#include <runner/job_spec.hpp>
#include "ipc/message.hpp"
#include "ipc/requester.hpp"

namespace runner::ipc {

struct Completion {
  Ticket ticket{};
  JobReply reply;
  TimePoint seen;      // the worker had all of it, and went into it
  TimePoint answered;  // the reply was complete
};

class JobRequester {
 public:
  explicit JobRequester(Requester& requester) : requester_(&requester) {}

  [[nodiscard]] Result<Ticket> send(JobId job, Attempt attempt, const Work& work);
  // The next completion in the order of tickets; false when there is none yet.
  [[nodiscard]] Result<bool> collect(Completion& completion);
  // unknown stands for entered: it may have had effects.
  [[nodiscard]] Fate fate(Ticket ticket) const { return requester_->wreck(ticket).fate; }

  [[nodiscard]] bool full() const { return requester_->full(); }
  Result<void> kick() { return requester_->kick(); }
  void take_back(Ticket ticket, std::vector<Ticket>& taken) { requester_->take_back(ticket, taken); }
  [[nodiscard]] std::optional<TimePoint> entered(Ticket ticket) const { return requester_->entered(ticket); }
  void arm(Ticket from) { requester_->arm(from); }
  [[nodiscard]] bool done(Ticket from) const { return requester_->done(from); }
  [[nodiscard]] int doorbell() const { return requester_->doorbell(); }
  void hush() { requester_->hush(); }
  [[nodiscard]] int blocked_fd() const { return requester_->blocked_fd(); }
  void close() { requester_->close(); }
  [[nodiscard]] Requester& requester() { return *requester_; }

 private:
  struct Asked {
    Ticket ticket;
    JobId job;
    Attempt attempt;
  };
  Requester* requester_;
  std::deque<Asked> asked_;  // outstanding, oldest first; those taken back stay until they are passed
};

}  // namespace runner::ipc
