#include "ipc/pipe_responder.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "ipc/clock.hpp"
#include "ipc/message.hpp"
#include "ipc/note.hpp"
#include "ipc/os.hpp"
#include "ipc/pipe_requester.hpp"

namespace runner::ipc {

namespace {

std::int64_t ns(TimePoint at) { return at.time_since_epoch().count(); }

// The frame, until the next call.
template <class Write>
std::span<std::byte> put_frame(FrameWriter& frames, Write&& write) {
  ByteWriter sizing({});
  write(sizing);
  const std::span<std::byte> frame = frames.put(sizing.size());
  ByteWriter out(frame);
  write(out);
  return frame;
}

constexpr std::size_t kFinishedAt = sizeof(PipeTag) + sizeof(std::uint64_t);  // in a reply's frame

}  // namespace

Result<std::unique_ptr<PipeResponder>> PipeResponder::open(const Hello& hello, std::vector<UniqueFd> files, int control) {
  if (files.size() != 2) {
    return fail(ErrorCode::protocol, "a hello came with " + std::to_string(files.size()) + " descriptors, expected 2");
  }
  return std::unique_ptr<PipeResponder>(new PipeResponder(std::move(files[0]), std::move(files[1]), control, hello.max_result));
}

Result<void> PipeResponder::flush() {
  const Result<bool> flushed = replies_out_.flush(replies_.get());
  if (!flushed) return tl::unexpected(flushed.error());
  return {};
}

Result<std::optional<Incoming>> PipeResponder::read(std::span<const std::byte> message, TimePoint woken) {
  WireReader in(message);
  Incoming request;
  request.seen = request_seen_ = now();
  request.woken = woken;
  request.free = free_;
  std::uint16_t form = 0;
  try {
    in(ticket_, request.items, stream_room_, form);
  } catch (const WireError& error) {
    return fail(ErrorCode::protocol, std::string("a request cannot be read: ") + error.what());
  }
  request.form = static_cast<Form>(form);
  request.bytes = in.view(in.left());
  os::point("claimed");
  return std::optional(std::move(request));
}

Result<std::optional<Incoming>> PipeResponder::next() {
  TimePoint woken{};
  for (;;) {
    const Result<std::optional<std::span<const std::byte>>> message = requests_in_.next();
    if (!message) return tl::unexpected(message.error());
    if (*message && (*message)->empty()) return std::optional<Incoming>();  // no more will come
    if (*message) return read(**message, woken);
    os::point("sleeping");
    Result<FrameReader::Filled> filled;
    try {
      filled = requests_in_.fill(requests_.get());
    } catch (const std::bad_alloc&) {
      const Result<std::span<const std::byte>> beginning = requests_in_.skip(requests_.get());
      if (!beginning) return tl::unexpected(beginning.error());
      Result<std::optional<Incoming>> request = read(*beginning, woken);
      if (request) (*request)->lost = Error{ErrorCode::system, os::describe("take it in", "malloc", ENOMEM)};
      return request;
    }
    os::point("woken");
    if (woken == TimePoint{}) woken = now();  // what follows is on its way already
    if (!filled) return tl::unexpected(filled.error());
    if (*filled == FrameReader::Filled::end_of_file) return std::optional<Incoming>();
  }
}

Result<void> PipeResponder::entering() {
  results_.resize(std::max<std::size_t>(results_.size(), static_cast<std::size_t>(stream_room_)));
  room_ = std::span(results_).first(static_cast<std::size_t>(std::min(stream_room_, max_result_)));
  used_ = sent_ = 0;
  item_ = 0;
  put_frame(replies_out_,
            [&](ByteWriter& out) { WireWriter{out}(static_cast<std::uint8_t>(PipeTag::entered), ticket_, ns(request_seen_)); });
  os::point("entering");
  Result<void> flushed = flush();
  os::point("entered");
  return flushed;
}

void PipeResponder::tell() {
  if (item_ == 0 || !broken_) return;  // "entered" said so
  put_frame(replies_out_, [&](ByteWriter& out) {
    WireWriter{out}(static_cast<std::uint8_t>(PipeTag::progress), ticket_, item_);
    out.put(results_.data() + sent_, static_cast<std::size_t>(used_ - sent_));
  });
  sent_ = used_;
  os::point("telling");
  broken_ = flush();
  os::point("told");
}

void PipeResponder::overflow(const WireContent& result) {
  ByteWriter sizing({});
  result.write(sizing);
  if (sizing.size() > max_result_) {
    overflowed_ = LastPart::failure;
    last_ = result_too_large(Bytes{sizing.size()}, Bytes{max_result_});
    return;
  }
  overflowed_ = LastPart::result;
  last_.resize(sizing.size());
  ByteWriter out(std::as_writable_bytes(std::span(last_)));
  result.write(out);
}

Result<void> PipeResponder::answer(const Answer& answer) {
  if (!broken_) return std::exchange(broken_, {});
  if (answer.files != 0) {
    os::point("sending");
    if (Result<void> sent = send_note(control_, {NoteTag::files, ticket_}, answer.attached); !sent) {
      return terminate_asked() ? fail(ErrorCode::unwritable, sent.error().text) : sent;  // the second: there is nobody any more
    }
    os::point("sent");
  }
  const LastPart last_part = answer.last_part != LastPart::none ? answer.last_part : overflowed_;
  const std::uint64_t tail = used_ - sent_;
  const std::span<std::byte> frame = put_frame(replies_out_, [&](ByteWriter& out) {
    WireWriter{out}(static_cast<std::uint8_t>(PipeTag::reply), ticket_, std::int64_t{0}, item_,
                    static_cast<std::uint16_t>(last_part), answer.files, static_cast<std::uint32_t>(tail));
    out.put(results_.data() + sent_, static_cast<std::size_t>(tail));
    if (answer.last != nullptr) {
      answer.last->write(out);
    } else {
      out.put(last_.data(), last_.size());
    }
  });
  overflowed_ = LastPart::none;
  last_.clear();
  os::point("answering");
  const std::int64_t finished = ns(now());  // once all of it is written down
  std::memcpy(frame.data() + kFinishedAt, &finished, sizeof finished);
  Result<void> flushed = flush();
  free_ = now();
  os::point("done");
  return flushed;
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
