#include "ipc/job_requester.hpp"

#include <string>
#include <utility>

namespace runner::ipc {

Result<Ticket> JobRequester::send(JobId job, Attempt attempt, const Work& work) {
  const RequestContent content(job, attempt, work);
  const Result<Ticket> ticket = requester_->send({.content = content});
  if (ticket) asked_.push_back({*ticket, job, attempt});
  return ticket;
}

Result<bool> JobRequester::collect(Completion& completion) {
  const Result<Reply*> front = requester_->front();
  if (!front) return tl::unexpected(front.error());
  if (*front == nullptr) return false;
  Reply& from = **front;
  if (from.last_part != LastPart::result) return fail(ErrorCode::protocol, "a job was answered without an outcome");
  while (!asked_.empty() && asked_.front().ticket != from.ticket) asked_.pop_front();  // taken back
  if (asked_.empty()) return fail(ErrorCode::protocol, "a reply is for no request");

  // Sealed bytes may be read where they lie; others are copied first.
  const ReplyBytes& last = from.last;
  std::string copy;
  if (last.owner == nullptr) copy.assign(reinterpret_cast<const char*>(last.bytes.data()), last.bytes.size());
  Result<JobReply> reply = read_reply(last.owner != nullptr ? last.bytes : as_bytes(copy), from.files, last.owner);
  if (!reply) return tl::unexpected(reply.error());
  if (reply->job != asked_.front().job || reply->attempt != asked_.front().attempt) {
    return fail(ErrorCode::protocol, "a reply is for another job or attempt than its request");
  }
  attach_files(reply->outcome, from.files, from.attached);
  completion = {from.ticket, std::move(*reply), from.entered, from.finished};
  asked_.pop_front();
  requester_->pop();
  return true;
}

}  // namespace runner::ipc
