#include "ipc/shm_responder.hpp"

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "ipc/control.hpp"
#include "ipc/futex.hpp"
#include "ipc/layout.hpp"
#include "ipc/note.hpp"
#include "ipc/os.hpp"

namespace runner::ipc {

namespace {

std::uint64_t now_ns() { return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()); }

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

Result<std::unique_ptr<ShmResponder>> ShmResponder::open(const Hello& hello, std::vector<UniqueFd> files, int control) {
  if (files.size() != 4) {
    return fail(ErrorCode::protocol, "a hello came with " + std::to_string(files.size()) + " descriptors, expected 4");
  }
  Result<SharedRegion> channel = SharedRegion::open(std::move(files[0]), channel_bytes(hello.depth), Access::read_write);
  if (!channel) return tl::unexpected(channel.error());
  Result<SharedRegion> in = SharedRegion::open(std::move(files[1]), hello.in_bytes, Access::read_only);
  if (!in) return tl::unexpected(in.error());
  Result<SharedRegion> out = SharedRegion::open(std::move(files[2]), hello.out_bytes, Access::read_write);
  if (!out) return tl::unexpected(out.error());
  const ChannelHeader& header = channel_header(channel->data());
  if (header.magic != kChannelMagic || header.layout_hash != layout_hash() || header.depth != hello.depth ||
      header.worker != hello.worker || header.incarnation != hello.incarnation) {
    return fail(ErrorCode::protocol, "the channel is not the one that the hello announced");
  }
  return std::unique_ptr<ShmResponder>(
      new ShmResponder(hello, std::move(*channel), std::move(*in), std::move(*out), std::move(files[3]), control));
}

ShmResponder::ShmResponder(const Hello& hello, SharedRegion channel, SharedRegion in, SharedRegion out, UniqueFd doorbell,
                           int control)
    : channel_(std::move(channel)),
      in_(std::move(in)),
      out_(std::move(out)),
      arena_(out_.bytes()),
      doorbell_(std::move(doorbell)),
      control_(control),
      depth_(hello.depth),
      worker_(hello.worker),
      spin_(static_cast<std::int64_t>(hello.spin_ns)),
      held_(hello.depth) {}

Slot& ShmResponder::slot() const { return slot_of(channel_.data(), depth_, expected_); }

bool ShmResponder::closing() const { return channel_header(channel_.data()).closing.load(std::memory_order_seq_cst) != 0; }

// Claims the next request if there is one, stepping over those that the master took back.
bool ShmResponder::claim() {
  for (;;) {
    std::atomic<std::uint64_t>& word = slot().word;
    std::uint64_t bits = word.load(std::memory_order_seq_cst);  // partner: ShmRequester::send, and sleep() below
    const Word seen = unpack(bits);
    if (seen.seq > expected_) {
      ++expected_;  // taken back, and its slot already used again
      continue;
    }
    if (seen.seq < expected_) return false;  // not collected yet, so nothing new can be here
    if (seen.state == SlotState::revoked) {
      ++expected_;
      continue;
    }
    if (seen.state != SlotState::ready) return false;
    if (word.compare_exchange_strong(bits, pack({expected_, SlotState::claimed}), std::memory_order_acq_rel)) return true;
  }
}

// What was sent ahead of requests that were taken back would fill the socket, and the master waits for nobody there.
Result<void> ShmResponder::read_ahead() {
  for (;;) {
    ControlMessage message;
    const Result<Received> got = receive_control(control_, message, false);
    if (!got) return tl::unexpected(got.error());
    if (*got != Received::message) return {};
    const Result<Note> note = read_note(message);
    if (!note) return tl::unexpected(note.error());
    if (note->tag == NoteTag::files && message.files.size() == 1 && note->ticket >= expected_) {
      payloads_[note->ticket] = std::move(message.files.front());
    }
  }
}

Result<void> ShmResponder::sleep() {
  if (Result<void> read = read_ahead(); !read) return read;
  std::atomic<std::uint32_t>& sleeping = channel_header(channel_.data()).sleeping;
  sleeping.store(1, std::memory_order_seq_cst);
  // Look again after saying so: whoever publishes now sees the 1.
  const Word seen = unpack(slot().word.load(std::memory_order_seq_cst));
  const bool something = seen.seq > expected_ || (seen.seq == expected_ && seen.state != SlotState::free);
  if (!something && !closing()) futex_wait(sleeping, 1);
  sleeping.store(0, std::memory_order_relaxed);
  return {};
}

Result<std::optional<JobRequest>> ShmResponder::next() {
  while (!claim()) {
    if (closing()) return std::optional<JobRequest>();
    if (spin_ > Duration::zero()) {
      const auto until = std::chrono::steady_clock::now() + spin_;
      const std::uint64_t nothing = slot().word.load(std::memory_order_relaxed);
      while (slot().word.load(std::memory_order_relaxed) == nothing && std::chrono::steady_clock::now() < until) relax();
      if (slot().word.load(std::memory_order_relaxed) != nothing) continue;
    }
    if (Result<void> slept = sleep(); !slept) return tl::unexpected(slept.error());
  }
  // The slot comes round again only after the master collected what lay here.
  std::optional<std::uint64_t>& held = held_[expected_ & (depth_ - 1)];
  if (held) arena_.free(*std::exchange(held, std::nullopt));

  Result<std::span<const std::byte>> bytes = request_bytes();
  if (!bytes) return tl::unexpected(bytes.error());
  Result<JobRequest> request = read_request(*bytes);
  if (!request) return tl::unexpected(request.error());
  return std::optional(std::move(*request));
}

Result<std::span<const std::byte>> ShmResponder::request_bytes() {
  const Slot& at = slot();
  const std::size_t bytes = at.request_bytes;
  switch (at.request_place) {
    case Place::inline_:
      if (bytes <= kInlineRequest) return std::span<const std::byte>(at.request).first(bytes);
      break;
    case Place::arena: {
      const std::span<const std::byte> arena = in_.bytes().subspan(Inbound::arena_offset());
      if (bytes <= arena.size() && at.request_offset <= arena.size() - bytes) {
        return arena.subspan(at.request_offset, bytes);
      }
      break;
    }
    case Place::memfd: {
      while (!payloads_.contains(expected_)) {
        ControlMessage message;
        const Result<Received> got = receive_control(control_, message, true);
        if (!got) return tl::unexpected(got.error());
        if (*got != Received::message) return fail(ErrorCode::protocol, "the master left before a payload came");
        const Result<Note> note = read_note(message);
        if (!note) return tl::unexpected(note.error());
        if (note->tag == NoteTag::files && message.files.size() == 1) {
          payloads_[note->ticket] = std::move(message.files.front());
        }
      }
      Result<SharedRegion> payload = open_payload(std::move(payloads_[expected_]), bytes);
      payloads_.erase(payloads_.begin(), payloads_.upper_bound(expected_));
      if (!payload) return tl::unexpected(payload.error());
      request_ = std::move(*payload);
      return std::span<const std::byte>(request_.bytes());
    }
  }
  return fail(ErrorCode::protocol, "a request lies where no request can lie");
}

Result<void> ShmResponder::entering() {
  Slot& at = slot();
  at.started_ns = now_ns();
  at.word.store(pack({expected_, SlotState::running}), std::memory_order_release);
  return {};
}

Result<void> ShmResponder::answer(JobReply&& reply) {
  Slot& at = slot();
  at.finished_ns = now_ns();
  if (Result<void> placed = place(at, reply); !placed) return placed;
  // seq_cst: this store and the look at `asleep` in ring() must not change places; partner Inbound::sleep_begins.
  at.word.store(pack({expected_, SlotState::done}), std::memory_order_seq_cst);
  if (Result<void> rung = ring(); !rung) return rung;
  ++expected_;
  request_ = {};
  return {};
}

Result<void> ShmResponder::place(Slot& slot, const JobReply& reply) {
  slot.reply_files = spilled_files(reply.outcome);
  slot.reply_place = Place::inline_;
  WireWriter small(std::span(slot.reply));
  write_reply(small, reply);
  slot.reply_bytes = small.size();
  std::vector<int> files;
  UniqueFd sealed;
  if (!small.fits()) {
    if (const std::optional<std::uint64_t> offset = room_for(small.size())) {
      WireWriter large(arena_.at(*offset, small.size()));
      write_reply(large, reply);
      slot.reply_place = Place::arena;
      slot.reply_offset = *offset;
      held_[expected_ & (depth_ - 1)] = *offset;
    } else {
      std::string wire(small.size(), '\0');
      WireWriter large(std::as_writable_bytes(std::span(wire)));
      write_reply(large, reply);
      Result<UniqueFd> made = seal_payload(as_bytes(wire));
      if (!made) return tl::unexpected(made.error());
      sealed = std::move(*made);
      slot.reply_place = Place::memfd;
      files.push_back(sealed.get());
    }
  }
  if (reply.outcome.out.spill) files.push_back(reply.outcome.out.spill.get());
  if (reply.outcome.err.spill) files.push_back(reply.outcome.err.spill.get());
  if (files.empty()) return {};
  return send_note(control_, {NoteTag::files, expected_}, files);
}

std::optional<std::uint64_t> ShmResponder::room_for(std::size_t bytes) {
  if (bytes > out_.size() / 4) return std::nullopt;  // one payload must not crowd out all others
  if (std::optional<std::uint64_t> offset = arena_.allocate(bytes)) return offset;
  // Full: give back what the master has collected by now.
  for (std::uint64_t back = 1; back <= depth_ && back <= expected_; ++back) {
    const std::uint64_t seq = expected_ - back;
    std::optional<std::uint64_t>& held = held_[seq & (depth_ - 1)];
    const std::uint64_t word = slot_of(channel_.data(), depth_, seq).word.load(std::memory_order_acquire);
    if (held && word != pack({seq, SlotState::done})) arena_.free(*std::exchange(held, std::nullopt));
  }
  return arena_.allocate(bytes);
}

Result<void> ShmResponder::ring() {
  const StatePage& state = *reinterpret_cast<const StatePage*>(in_.data());
  const std::uint64_t nap = state.asleep.load(std::memory_order_seq_cst);
  if (nap == 0 || nap == rung_) return {};
  if (expected_ < state.ring_from[worker_].load(std::memory_order_seq_cst)) return {};
  rung_ = nap;
  const std::uint64_t one = 1;
  const ssize_t put = os::retry("write", ::write, doorbell_.get(), static_cast<const void*>(&one), sizeof one);
  // A full counter means that the bell is ringing already. A bell that does not ring leaves the master asleep: then our death
  // must wake it.
  if (put < 0 && errno != EAGAIN) return os::failure("wake the master", "write");
  return {};
}

Result<bool> ShmResponder::terminate_asked() {
  ControlMessage message;
  const Result<Received> got = receive_control(control_, message, false);
  if (!got) return tl::unexpected(got.error());
  if (*got == Received::end_of_file) return fail(ErrorCode::protocol, "the master is gone");
  if (*got == Received::nothing_there) return false;
  const Result<Note> note = read_note(message);
  if (!note) return tl::unexpected(note.error());
  if (note->tag == NoteTag::files && message.files.size() == 1) {
    payloads_[note->ticket] = std::move(message.files.front());
    return false;
  }
  return note->tag == NoteTag::terminate && note->ticket == expected_;
}

}  // namespace runner::ipc
