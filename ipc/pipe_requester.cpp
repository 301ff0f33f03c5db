#include "ipc/pipe_requester.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "ipc/note.hpp"
#include "ipc/os.hpp"

namespace runner::ipc {

namespace {
constexpr std::size_t kMostOutstanding = 256;
constexpr std::size_t kMostWaiting = std::size_t{1} << 20;

Result<std::pair<UniqueFd, UniqueFd>> pipe_pair() {
  int ends[2];
  if (os::call("pipe2", ::pipe2, ends, O_CLOEXEC) != 0) return os::failure("make a pipe", "pipe2");
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> make_non_blocking(int fd) {
  if (os::call("fcntl", ::fcntl, fd, F_SETFL, O_NONBLOCK) != 0) return os::failure("set up a pipe", "fcntl");
  return {};
}
}  // namespace

Result<PipeRequester::Made> PipeRequester::create(int control) {
  Result<std::pair<UniqueFd, UniqueFd>> requests = pipe_pair();
  if (!requests) return tl::unexpected(requests.error());
  Result<std::pair<UniqueFd, UniqueFd>> replies = pipe_pair();
  if (!replies) return tl::unexpected(replies.error());
  for (const int fd : {requests->second.get(), replies->first.get()}) {
    if (Result<void> set = make_non_blocking(fd); !set) return tl::unexpected(set.error());
  }
  return Made{
      std::unique_ptr<PipeRequester>(new PipeRequester(control, std::move(requests->second), std::move(replies->first))),
      std::move(requests->first), std::move(replies->second)};
}

bool PipeRequester::full() const { return issued_.size() >= kMostOutstanding || requests_out_.waiting() > kMostWaiting; }

Result<Ticket> PipeRequester::send(JobId job, Attempt attempt, const Work& work) {
  WireWriter sizing({});
  write_request(sizing, job, attempt, work);
  const std::size_t bytes = sizeof(std::uint64_t) + sizing.size();
  if (bytes > UINT32_MAX) {
    return fail(ErrorCode::usage, "the arguments of a job take " + std::to_string(bytes) + " bytes; at most 4 GiB can be sent");
  }
  WireWriter out(requests_out_.put(bytes));
  out(tail_);
  write_request(out, job, attempt, work);
  issued_.push_back({job, attempt});
  return Ticket{tail_++};
}

Result<void> PipeRequester::kick() {
  const Result<bool> flushed = requests_out_.flush(requests_.get());
  if (!flushed) return tl::unexpected(flushed.error());
  return {};
}

Result<bool> PipeRequester::collect(Completion& completion) {
  for (;;) {
    while (const std::optional<std::span<const std::byte>> message = replies_in_.next()) {
      const Result<bool> reply = take(*message, completion);
      if (!reply || *reply) return reply;
    }
    const Result<FrameReader::Filled> filled = replies_in_.fill(replies_.get());
    if (!filled) return tl::unexpected(filled.error());
    // The end of the stream is the worker's death, which its pidfd tells.
    if (*filled != FrameReader::Filled::some) return false;
  }
}

Result<bool> PipeRequester::take(std::span<const std::byte> message, Completion& completion) try {
  WireReader in(message);
  std::uint8_t tag = 0;
  std::uint64_t ticket = 0;
  std::int64_t entered = 0;
  in(tag, ticket, entered);
  if (issued_.empty() || ticket != head_) return fail(ErrorCode::protocol, "a message is for another request than the next");
  if (tag == static_cast<std::uint8_t>(PipeTag::entered)) {
    if (entered_ || in.left() != 0) return fail(ErrorCode::protocol, "a job was entered twice");
    entered_ = TimePoint(Duration(entered));
    return false;
  }
  if (tag != static_cast<std::uint8_t>(PipeTag::reply) || !entered_) {
    return fail(ErrorCode::protocol, "a message has an unknown tag, or a reply comes before its job was entered");
  }
  std::int64_t finished = 0;
  std::uint32_t files = 0;
  in(finished, files);
  if ((files & ~(kOutSpilled | kErrSpilled)) != 0) return fail(ErrorCode::protocol, "a reply announces unknown files");
  Result<std::vector<UniqueFd>> attached = receive_files(control_, ticket, file_count(files));
  if (!attached) return tl::unexpected(attached.error());
  Result<JobReply> reply = read_reply(in.view(in.left()), files);
  if (!reply) return tl::unexpected(reply.error());
  if (reply->job != issued_.front().job || reply->attempt != issued_.front().attempt) {
    return fail(ErrorCode::protocol, "a reply is for another job or attempt than its request");
  }
  attach_files(reply->outcome, files, *attached);
  completion = {Ticket{head_}, std::move(*reply), *entered_, TimePoint(Duration(finished))};
  issued_.pop_front();
  ++head_;
  entered_.reset();
  return true;
} catch (const WireError& error) {
  return fail(ErrorCode::protocol, std::string("a message cannot be read: ") + error.what());
}

std::optional<TimePoint> PipeRequester::entered(Ticket ticket) const {
  return number(ticket) == head_ ? entered_ : std::nullopt;
}

Fate PipeRequester::fate(Ticket ticket) const { return entered(ticket) ? Fate::entered : Fate::untouched; }

}  // namespace runner::ipc
