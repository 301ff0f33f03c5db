#include "ipc/job_requester.hpp"

#include <cerrno>
#include <new>
#include <string>
#include <utility>

#include "ipc/os.hpp"

namespace runner::ipc {

Result<Ticket> JobRequester::send(JobId job, Attempt attempt, const Work& work) {
  const RequestContent content(job, attempt, work);
  const Result<Ticket> ticket = requester_->send({.content = content});
  if (ticket) asked_.push_back({*ticket, job, attempt});
  return ticket;
}

namespace {

// What a worker says of a job that it could not take in.
Error refused(const Reply& from) {
  return {ErrorCode::system, std::string(reinterpret_cast<const char*>(from.last.bytes.data()), from.last.bytes.size())};
}

Result<JobReply> read(const Reply& from) try {
  // Sealed bytes may be read where they lie; others are copied first.
  const ReplyBytes& last = from.last;
  if (last.owner != nullptr) return read_reply(last.bytes, from.files, last.owner);
  const std::string copy(reinterpret_cast<const char*>(last.bytes.data()), last.bytes.size());
  return read_reply(as_bytes(copy), from.files);
} catch (const std::bad_alloc&) {
  return os::failure("read a reply of " + format_size({from.last.bytes.size()}), "malloc", ENOMEM);
}

}  // namespace

Result<bool> JobRequester::collect(Completion& completion) {
  const Result<Reply*> front = requester_->front();
  if (!front) return tl::unexpected(front.error());
  if (*front == nullptr) return false;
  Reply& from = **front;
  if (from.last_part == LastPart::none) return fail(ErrorCode::protocol, "a job was answered without an outcome");
  while (!asked_.empty() && asked_.front().ticket != from.ticket) asked_.pop_front();  // taken back
  if (asked_.empty()) return fail(ErrorCode::protocol, "a reply is for no request");

  Result<JobReply> reply = from.lost                             ? tl::unexpected(*from.lost)
                           : from.last_part == LastPart::failure ? tl::unexpected(refused(from))
                                                                 : read(from);
  if (!reply && reply.error().code == ErrorCode::system) {
    // Its worker is well; what it answered is gone, or there was nothing that it could run.
    Outcome outcome;
    outcome.ending =
        Failed{(from.last_part == LastPart::failure ? "" : "its answer could not be taken: ") + reply.error().text};
    reply = JobReply{};
    reply->job = asked_.front().job;
    reply->attempt = asked_.front().attempt;
    reply->outcome = std::move(outcome);
    from.attached.clear();
    from.files = 0;
  }
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
