#include "master/engines/hand.hpp"

#include <algorithm>
#include <iterator>

namespace runner::master {

Result<void> Hand::give(InHand job) {
  const Result<ipc::Ticket> ticket = requester_.send(job.job->id, job.attempt, job.job->work);
  if (!ticket) return tl::unexpected(ticket.error());
  job.ticket = *ticket;
  job.announced = false;
  job.stopping.reset();
  queued_ += job.expected;
  jobs_.push_back(job);
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
  queued_ -= job.expected;
  return true;
}

std::vector<InHand> Hand::take_back(ipc::Ticket ticket) {
  std::vector<ipc::Ticket> taken;
  requester_.take_back(ticket, taken);
  std::vector<InHand> jobs;
  const auto is_taken = [&](const InHand& job) { return std::find(taken.begin(), taken.end(), job.ticket) != taken.end(); };
  std::copy_if(jobs_.begin(), jobs_.end(), std::back_inserter(jobs), is_taken);
  for (const InHand& job : jobs) queued_ -= job.expected;
  // Out of the hand at once: behind a job that runs long any number may come and go, and there is no place for any number.
  jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(), is_taken), jobs_.end());
  return jobs;
}

// The worker goes in order: once it has begun one, all older ones are begun too.
std::vector<InHand> Hand::take_back_newest() { return jobs_.empty() ? std::vector<InHand>() : take_back(jobs_.back().ticket); }

std::vector<InHand> Hand::take_back_all() {
  std::vector<InHand> all;
  for (std::vector<InHand> some; !(some = take_back_newest()).empty();) all.insert(all.begin(), some.begin(), some.end());
  return all;
}

}  // namespace runner::master
