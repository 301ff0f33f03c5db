#include "ipc/pipe_responder.hpp"

#include <chrono>
#include <string>
#include <utility>

#include "ipc/note.hpp"
#include "ipc/pipe_requester.hpp"

namespace runner::ipc {

namespace {
std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
}  // namespace

Result<std::unique_ptr<PipeResponder>> PipeResponder::open(std::vector<UniqueFd> files, int control) {
  if (files.size() != 2) {
    return fail(ErrorCode::protocol, "a hello came with " + std::to_string(files.size()) + " descriptors, expected 2");
  }
  return std::unique_ptr<PipeResponder>(new PipeResponder(std::move(files[0]), std::move(files[1]), control));
}

Result<void> PipeResponder::flush() {
  const Result<bool> flushed = replies_out_.flush(replies_.get());
  if (!flushed) return tl::unexpected(flushed.error());
  return {};
}

Result<std::optional<JobRequest>> PipeResponder::next() {
  for (;;) {
    if (const std::optional<std::span<const std::byte>> message = requests_in_.next()) {
      if (message->size() < sizeof ticket_) return fail(ErrorCode::protocol, "a request has no ticket");
      WireReader in(*message);
      in(ticket_);
      Result<JobRequest> request = read_request(in.view(in.left()));
      if (!request) return tl::unexpected(request.error());
      return std::optional(std::move(*request));
    }
    if (Result<void> flushed = flush(); !flushed) return tl::unexpected(flushed.error());
    const Result<FrameReader::Filled> filled = requests_in_.fill(requests_.get());
    if (!filled) return tl::unexpected(filled.error());
    if (*filled == FrameReader::Filled::end_of_file) return std::optional<JobRequest>();
  }
}

Result<void> PipeResponder::entering() {
  entered_ns_ = now_ns();
  WireWriter out(replies_out_.put(sizeof(std::uint8_t) + sizeof ticket_ + sizeof entered_ns_));
  out(static_cast<std::uint8_t>(PipeTag::entered), ticket_, entered_ns_);
  return flush();
}

Result<void> PipeResponder::answer(JobReply&& reply) {
  const std::int64_t finished_ns = now_ns();
  const std::uint32_t files = spilled_files(reply.outcome);
  if (files != 0) {
    std::vector<int> descriptors;
    if (reply.outcome.out.spill) descriptors.push_back(reply.outcome.out.spill.get());
    if (reply.outcome.err.spill) descriptors.push_back(reply.outcome.err.spill.get());
    if (Result<void> sent = send_note(control_, {NoteTag::files, ticket_}, descriptors); !sent) return sent;
  }
  const auto write = [&](WireWriter& out) {
    out(static_cast<std::uint8_t>(PipeTag::reply), ticket_, entered_ns_, finished_ns, files);
    write_reply(out, reply);
  };
  WireWriter sizing({});
  write(sizing);
  WireWriter out(replies_out_.put(sizing.size()));
  write(out);
  return requests_in_.ready() ? Result<void>() : flush();
}

Result<bool> PipeResponder::terminate_asked() {
  ControlMessage message;
  const Result<Received> got = receive_control(control_, message, false);
  if (!got) return tl::unexpected(got.error());
  if (*got == Received::end_of_file) return fail(ErrorCode::protocol, "the master is gone");
  if (*got == Received::nothing_there) return false;
  const Result<Note> note = read_note(message);
  if (!note) return tl::unexpected(note.error());
  return note->tag == NoteTag::terminate && note->ticket == ticket_;
}

}  // namespace runner::ipc
