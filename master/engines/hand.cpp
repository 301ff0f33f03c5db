#include "master/engines/hand.hpp"

#include <algorithm>

namespace runner::master {

Result<void> Hand::give(const JobSpec& job, Attempt attempt, Duration expected) {
  const Result<ipc::Ticket> ticket = requester_.send(job.id, attempt, job.work);
  if (!ticket) return tl::unexpected(ticket.error());
  jobs_.push_back({&job, attempt, *ticket, expected, false, false, {}});
  ++held_;
  queued_ += expected;
  return {};
}

Result<bool> Hand::collect(ipc::Completion& completion, InHand& job) {
  Result<bool> got = requester_.collect(completion);
  if (!got || !*got) return got;
  const InHand* oldest = head();
  if (oldest == nullptr || oldest->ticket != completion.ticket) {
    return fail(ErrorCode::protocol, "a completion is for another request than the oldest");
  }
  job = *oldest;
  jobs_.pop_front();
  --held_;
  queued_ -= job.expected;
  return true;
}

std::vector<InHand> Hand::take_back(ipc::Ticket ticket) {
  std::vector<ipc::Ticket> taken;
  requester_.take_back(ticket, taken);
  std::vector<InHand> jobs;
  for (InHand& job : jobs_) {
    if (job.taken_back || std::find(taken.begin(), taken.end(), job.ticket) == taken.end()) continue;
    job.taken_back = true;
    --held_;
    queued_ -= job.expected;
    jobs.push_back(job);
  }
  return jobs;
}

std::vector<InHand> Hand::take_back_newest() {
  for (auto job = jobs_.rbegin(); job != jobs_.rend(); ++job) {
    // The worker goes in order: once it has begun one, all older ones are begun too.
    if (!job->taken_back) return take_back(job->ticket);
  }
  return {};
}

InHand* Hand::head() {
  while (!jobs_.empty() && jobs_.front().taken_back) jobs_.pop_front();
  return jobs_.empty() ? nullptr : &jobs_.front();
}

}  // namespace runner::master
