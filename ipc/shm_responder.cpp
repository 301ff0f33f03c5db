#include "ipc/shm_responder.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "ipc/clock.hpp"
#include "ipc/control.hpp"
#include "ipc/futex.hpp"
#include "ipc/layout.hpp"
#include "ipc/message.hpp"
#include "ipc/note.hpp"
#include "ipc/os.hpp"
#include "ipc/relax.hpp"

namespace runner::ipc {

namespace {

constexpr int kLooksAtATime = 8;          // between two readings of the clock
constexpr std::uint32_t kMostInARow = 4;  // requests without a wait; with more they stream
constexpr std::int64_t kApartNs = 1000;   // looks at a stream

tl::unexpected<Error> unsent(const Error& why) { return fail(ErrorCode::unwritable, why.text); }

std::int64_t now_ns() { return now().time_since_epoch().count(); }

void look_away() {
  for (const std::int64_t until = now_ns() + kApartNs; now_ns() < until;) relax();
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
  Result<Arena> arena = Arena::create(*out, 0);
  if (!arena) return tl::unexpected(arena.error());
  const ChannelHeader& header = channel_header(channel->data());
  if (header.magic != kChannelMagic || header.layout_hash != layout_hash() || header.depth != hello.depth ||
      header.worker != hello.worker || header.incarnation != hello.incarnation) {
    return fail(ErrorCode::protocol, "the channel is not the one that the hello announced");
  }
  return std::unique_ptr<ShmResponder>(new ShmResponder(hello, std::move(*channel), std::move(*in), std::move(*out),
                                                        std::move(*arena), std::move(files[3]), control));
}

ShmResponder::ShmResponder(const Hello& hello, SharedRegion channel, SharedRegion in, SharedRegion out, Arena arena,
                           UniqueFd doorbell, int control)
    : channel_(std::move(channel)),
      in_(std::move(in)),
      out_(std::move(out)),
      arena_(std::move(arena)),
      doorbell_(std::move(doorbell)),
      control_(control),
      depth_(hello.depth),
      worker_(hello.worker),
      memfd_from_(hello.memfd_from),
      max_result_(hello.max_result),
      held_(hello.depth) {}

// ---- requests ----

bool ShmResponder::closing() const { return channel_header(channel_.data()).closing.load(std::memory_order_seq_cst) != 0; }

// Claims the next request if there is one, stepping over those that the master took back.
bool ShmResponder::claim() {
  for (;;) {
    std::atomic<std::uint64_t>& word = slot().word;
    std::uint64_t bits = seen_ = word.load(std::memory_order_acquire);  // partner: the READY store of ShmRequester::send
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
  sleeping.store(1, std::memory_order_relaxed);
  // Look again after saying so: whoever publishes now sees the 1. partner: the fence of ShmRequester::kick
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const Word seen = unpack(slot().word.load(std::memory_order_relaxed));
  const bool something = seen.seq > expected_ || (seen.seq == expected_ && seen.state != SlotState::free);
  os::point("sleeping");
  if (!something && !closing()) futex_wait(sleeping, 1);
  os::point("woken");
  sleeping.store(0, std::memory_order_relaxed);
  return {};
}

// A look takes the line that the master fills next away from it. Where requests come one by one, that is the price of seeing each at
// once; where they stream, a look now and then is cheaper, and finds many.
bool ShmResponder::spin() {
  const bool streaming = std::exchange(in_a_row_, 0) > kMostInARow;
  const StatePage& state = *reinterpret_cast<const StatePage*>(in_.data());
  const std::int64_t allowed = state.may_spin_ns[worker_].load(std::memory_order_relaxed);
  if (allowed == 0) return false;
  const std::atomic<std::uint64_t>& word = slot().word;
  const std::int64_t began = now_ns(), until = began + (streaming ? allowed : spin_budget_.next_ns(allowed));
  do {
    if (streaming) look_away();
    for (int looks = 0; looks < kLooksAtATime; ++looks) {
      if (word.load(std::memory_order_relaxed) != seen_) {
        if (!streaming) spin_budget_.met(now_ns() - began);
        return true;
      }
      relax();
    }
  } while (now_ns() < until);
  if (!streaming) spin_budget_.missed(allowed);
  return false;
}

Result<std::optional<Incoming>> ShmResponder::next() {
  bool slept = false;
  while (!claim()) {
    if (closing()) return std::optional<Incoming>();
    if (spin()) continue;
    if (Result<void> well = sleep(); !well) return tl::unexpected(well.error());
    slept = true;
  }
  os::point("claimed");
  Incoming request;
  if (slot().timed != 0) {
    request.seen = request_seen_ = now();
    if (slept) request.woken = request.seen;
  }
  ++in_a_row_;
  give_back(held());  // the slot comes round again only after the master collected what lay here
  if (Result<void> found = find_request(request); !found) return tl::unexpected(found.error());
  return std::optional(std::move(request));
}

Result<void> ShmResponder::find_request(Incoming& request) {
  const Slot& at = slot();
  request.form = at.form;
  request.items = at.items;
  const std::uint64_t bytes = at.request_bytes;
  switch (at.request_place) {
    case Place::inline_:
      if (bytes > kInlineRequest) break;
      request.bytes = std::span(at.request).first(static_cast<std::size_t>(bytes));
      return {};
    case Place::arena: {
      const std::span<const std::byte> arena = in_.bytes().subspan(Inbound::arena_offset());
      if (bytes > arena.size() || at.request_offset > arena.size() - bytes) break;
      request.bytes = arena.subspan(static_cast<std::size_t>(at.request_offset), static_cast<std::size_t>(bytes));
      return {};
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
      Result<std::shared_ptr<const SharedRegion>> payload = open_payload(std::move(payloads_[expected_]), bytes);
      payloads_.erase(payloads_.begin(), payloads_.upper_bound(expected_));
      if (!payload && payload.error().code == ErrorCode::system) {
        request.lost = payload.error();
        return {};
      }
      if (!payload) return tl::unexpected(payload.error());
      request_ = std::move(*payload);
      request.bytes = request_->bytes();
      request.owner = request_;
      return {};
    }
  }
  return fail(ErrorCode::protocol, "a request lies where no request can lie");
}

// ---- items ----

Result<void> ShmResponder::entering() {
  Slot& at = slot();
  used_ = 0;
  room_ = {};
  if (at.items == 1) {
    // One result may lie in the slot itself, where no last part is then.
    room_ = std::span(at.reply).first(std::min<std::size_t>(kInlineReply, max_result_));
  } else if (const std::uint64_t wanted = at.stream_room; wanted != 0) {
    // As much as there is: with less, the chunk ends early, and its reply says where.
    const std::size_t room = std::min<std::size_t>({wanted, out_.size() / 8, max_result_});
    if (const std::optional<std::uint64_t> offset = room_for(room)) {
      held().stream = offset;
      room_ = arena_.at(*offset, room);
      at.stream_offset = *offset;
    }
  }
  word_ = &at.progress;
  at.progress.store(runner::pack(ItemProgress{}), std::memory_order_relaxed);
  if (at.timed != 0) at.started_ns = static_cast<std::uint64_t>(request_seen_.time_since_epoch().count());
  os::point("entering");
  at.word.store(pack({expected_, SlotState::running}), std::memory_order_release);
  os::point("entered");
  return {};
}

void ShmResponder::overflow(const WireContent& result) {
  ByteWriter sizing({});
  result.write(sizing);
  if (sizing.size() > max_result_) {
    const std::string text = result_too_large(Bytes{sizing.size()}, Bytes{max_result_});
    overflowed_ = LastPart::failure;
    broken_ = place(slot(), TextContent(text));
    return;
  }
  overflowed_ = LastPart::result;
  broken_ = place(slot(), result);
}

// ---- replies ----

Result<void> ShmResponder::answer(const Answer& answer) {
  Slot& at = slot();
  at.last_part = answer.last_part != LastPart::none ? answer.last_part : overflowed_;
  at.reply_files = answer.files;
  if (answer.last != nullptr) broken_ = place(at, *answer.last);
  if (!broken_) return unsent(std::exchange(broken_, {}).error());
  std::vector<int> files;
  if (sealed_) files.push_back(sealed_.get());
  files.insert(files.end(), answer.attached.begin(), answer.attached.end());
  if (!files.empty()) {
    os::point("sending");
    if (Result<void> sent = send_note(control_, {NoteTag::files, expected_}, files); !sent) {
      return terminate_asked() ? unsent(sent.error()) : sent;  // the second: there is nobody any more
    }
    os::point("sent");
  }
  os::point("answering");
  if (at.timed != 0) at.finished_ns = static_cast<std::uint64_t>(now_ns());
  // release: after all of the reply's bytes. ring() has the fence between this store and the look at `asleep`.
  at.word.store(pack({expected_, SlotState::done}), std::memory_order_release);
  os::point("done");
  if (Result<void> rung = ring(); !rung) return rung;
  ++expected_;
  request_.reset();
  sealed_.reset();
  overflowed_ = LastPart::none;
  return {};
}

// Writes the last part of a reply to where it fits.
Result<void> ShmResponder::place(Slot& slot, const WireContent& content) {
  ByteWriter small(std::span(slot.reply));
  content.write(small);
  const std::size_t bytes = small.size();
  slot.reply_bytes = bytes;
  slot.reply_place = Place::inline_;
  sealed_.reset();
  if (small.fits()) return {};
  if (bytes < memfd_from_) {
    if (const std::optional<std::uint64_t> offset = room_for(bytes)) {
      ByteWriter large(arena_.at(*offset, bytes));
      content.write(large);
      slot.reply_place = Place::arena;
      slot.reply_offset = *offset;
      if (held().last) arena_.free(*held().last);
      held().last = offset;
      return {};
    }
  }
  os::point("sealing");
  Result<UniqueFd> made = seal_payload(content, bytes);
  if (!made) return tl::unexpected(made.error());
  os::point("sealed");
  sealed_ = std::move(*made);
  slot.reply_place = Place::memfd;
  return {};
}

std::optional<std::uint64_t> ShmResponder::room_for(std::size_t bytes) {
  if (bytes > out_.size() / 4) return std::nullopt;  // one payload must not crowd out all others
  if (std::optional<std::uint64_t> offset = arena_.allocate(bytes)) return offset;
  // Full: give back what the master has collected by now, except what lies in the place of the current one, depth_ back: its own.
  for (std::uint64_t back = 1; back < depth_ && back <= expected_; ++back) {
    const std::uint64_t seq = expected_ - back;
    const std::uint64_t word = slot_of(channel_.data(), depth_, seq).word.load(std::memory_order_acquire);
    if (word != pack({seq, SlotState::done})) give_back(held_[seq & (depth_ - 1)]);
  }
  return arena_.allocate(bytes);
}

void ShmResponder::give_back(Held& held) {
  if (held.stream) arena_.free(*held.stream);
  if (held.last) arena_.free(*held.last);
  held = {};
}

Result<void> ShmResponder::ring() {
  // Between the DONE store before and the look at `asleep`; partner: the fence of Inbound::sleep_begins.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const StatePage& state = *reinterpret_cast<const StatePage*>(in_.data());
  const std::uint64_t nap = state.asleep.load(std::memory_order_relaxed);
  if (nap == 0 || nap == rung_) return {};
  if (expected_ < state.ring_from[worker_].load(std::memory_order_relaxed)) return {};
  rung_ = nap;
  os::point("ringing");
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
