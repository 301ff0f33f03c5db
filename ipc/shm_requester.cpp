#include "ipc/shm_requester.hpp"

#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "ipc/control.hpp"
#include "ipc/futex.hpp"
#include "ipc/note.hpp"
#include "ipc/os.hpp"

namespace runner::ipc {

namespace {

// Descriptors in flight count against the user's limit; more than a few large payloads in a queue gain nothing.
constexpr std::uint32_t kMaxMemfds = 4;
// A worker busy in a long job reads no notes, and a full socket would block the master. What is taken back stays there.
constexpr std::uint32_t kMaxUnread = 8;

TimePoint time_point(std::uint64_t ns) { return TimePoint(Duration(static_cast<std::int64_t>(ns))); }

}  // namespace

Result<std::unique_ptr<ShmRequester>> ShmRequester::create(Inbound& inbound, std::uint32_t worker, std::uint64_t incarnation,
                                                           int control, const ShmGeometry& geometry) {
  Result<SharedRegion> channel = SharedRegion::create("runner-channel", channel_bytes(geometry.depth), Access::read_write);
  if (!channel) return tl::unexpected(channel.error());
  Result<SharedRegion> out = SharedRegion::create("runner-out", geometry.out_bytes, Access::read_write);
  if (!out) return tl::unexpected(out.error());
  UniqueFd doorbell(os::call("eventfd", ::eventfd, 0U, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!doorbell) return os::failure("make a doorbell", "eventfd");

  ChannelHeader& header = channel_header(channel->data());
  header.magic = kChannelMagic;
  header.layout_hash = layout_hash();
  header.depth = geometry.depth;
  header.worker = worker;
  header.incarnation = incarnation;
  for (std::uint64_t seq = 0; seq < geometry.depth; ++seq) {
    slot_of(channel->data(), geometry.depth, seq).word.store(pack({seq, SlotState::free}), std::memory_order_relaxed);
  }
  inbound.state().ring_from[worker].store(0, std::memory_order_relaxed);
  return std::unique_ptr<ShmRequester>(
      new ShmRequester(inbound, std::move(*channel), std::move(*out), std::move(doorbell), worker, control, geometry));
}

ShmRequester::ShmRequester(Inbound& inbound, SharedRegion channel, SharedRegion out, UniqueFd doorbell, std::uint32_t worker,
                           int control, const ShmGeometry& geometry)
    : inbound_(inbound),
      channel_(std::move(channel)),
      out_(std::move(out)),
      doorbell_(std::move(doorbell)),
      worker_(worker),
      control_(control),
      geometry_(geometry),
      issued_(geometry.depth) {}

ShmRequester::~ShmRequester() {
  for (std::uint64_t seq = head_; seq < tail_; ++seq) release(issued(seq));
}

std::vector<int> ShmRequester::files() const { return {channel_.fd(), inbound_.region().fd(), out_.fd(), doorbell_.get()}; }

bool ShmRequester::full() const { return tail_ - head_ >= geometry_.depth || memfds_ >= kMaxMemfds || unread_ >= kMaxUnread; }

Result<Ticket> ShmRequester::send(JobId job, Attempt attempt, const Work& work) {
  const std::uint64_t seq = tail_;
  Slot& place_of = slot(seq);
  Issued& issue = issued(seq);
  issue = {.job = job, .attempt = attempt, .payload = {}, .memfd = false, .taken_back = false};
  if (Result<void> placed = place(place_of, issue, seq, work); !placed) {
    release(issue);
    return tl::unexpected(placed.error());
  }
  ++tail_;
  // seq_cst: this store and the look at `sleeping` in kick() must not change places; partner ShmResponder::sleep.
  place_of.word.store(pack({seq, SlotState::ready}), std::memory_order_seq_cst);
  return Ticket{seq};
}

Result<void> ShmRequester::place(Slot& slot, Issued& issue, std::uint64_t seq, const Work& work) {
  WireWriter small(std::span(slot.request));
  write_request(small, issue.job, issue.attempt, work);
  const std::size_t bytes = small.size();
  if (bytes > UINT32_MAX) {
    return fail(ErrorCode::usage, "the arguments of a job take " + std::to_string(bytes) + " bytes; at most 4 GiB can be sent");
  }
  slot.request_bytes = static_cast<std::uint32_t>(bytes);
  slot.request_place = Place::inline_;
  if (small.fits()) return {};

  if (bytes < geometry_.memfd_from) {
    issue.payload = inbound_.arena().allocate(bytes);
    if (issue.payload) {
      WireWriter large(inbound_.arena().at(*issue.payload, bytes));
      write_request(large, issue.job, issue.attempt, work);
      slot.request_place = Place::arena;
      slot.request_offset = *issue.payload;
      return {};
    }
  }
  std::string wire(bytes, '\0');
  WireWriter large(std::as_writable_bytes(std::span(wire)));
  write_request(large, issue.job, issue.attempt, work);
  Result<UniqueFd> sealed = seal_payload(std::as_bytes(std::span(wire)));
  if (!sealed) return tl::unexpected(sealed.error());
  const int fd = sealed->get();
  if (Result<void> sent = send_note(control_, {NoteTag::files, seq}, std::span(&fd, 1)); !sent) return sent;
  slot.request_place = Place::memfd;
  issue.memfd = true;
  ++memfds_;
  ++unread_;
  return {};
}

void ShmRequester::release(Issued& issue) {
  if (issue.payload) inbound_.arena().free(*issue.payload);
  if (issue.memfd) --memfds_;
  issue.payload.reset();
  issue.memfd = false;
}

Result<void> ShmRequester::kick() {
  std::atomic<std::uint32_t>& sleeping = channel_header(channel_.data()).sleeping;
  if (sleeping.load(std::memory_order_seq_cst) != 0 && sleeping.exchange(0, std::memory_order_seq_cst) != 0) {
    futex_wake(sleeping);
  }
  return {};
}

Result<bool> ShmRequester::collect(Completion& completion) {
  if (unread_ >= kMaxUnread) {
    int bytes = 0;
    if (os::call("ioctl", ::ioctl, control_, static_cast<unsigned long>(SIOCOUTQ), &bytes) == 0 && bytes == 0) unread_ = 0;
  }
  for (; head_ < tail_; ++head_) {
    Slot& from = slot(head_);
    Issued& issue = issued(head_);
    if (!issue.taken_back) {
      const Word word = unpack(from.word.load(std::memory_order_acquire));  // partner: the DONE store of the responder
      if (word.seq != head_) return fail(ErrorCode::protocol, "a slot's sequence number was changed");
      switch (word.state) {
        case SlotState::ready:
        case SlotState::claimed:
        case SlotState::running: return false;
        case SlotState::done: break;
        case SlotState::free:
        case SlotState::revoked:
        default: return fail(ErrorCode::protocol, "a slot is in a state that the worker must not give it");
      }
      Result<JobReply> reply = read(from, head_);
      if (!reply) return tl::unexpected(reply.error());
      completion = {Ticket{head_}, std::move(*reply), time_point(from.started_ns), time_point(from.finished_ns)};
      release(issue);
      from.word.store(pack({head_ + geometry_.depth, SlotState::free}), std::memory_order_release);
      ++head_;
      return true;
    }
    release(issue);
  }
  return false;
}

Result<JobReply> ShmRequester::read(const Slot& slot, std::uint64_t seq) {
  // Copies of everything that decides: the worker could change it while we look.
  const Place place = slot.reply_place;
  const std::uint64_t bytes = slot.reply_bytes, offset = slot.reply_offset;
  const std::uint32_t files = slot.reply_files;
  if ((files & ~(kOutSpilled | kErrSpilled)) != 0) return fail(ErrorCode::protocol, "a reply announces unknown files");

  const std::size_t wanted = (place == Place::memfd ? 1U : 0U) + file_count(files);
  Result<std::vector<UniqueFd>> attached = receive_files(control_, seq, wanted);
  if (!attached) return tl::unexpected(attached.error());

  Result<JobReply> reply = [&]() -> Result<JobReply> {
    if (place == Place::inline_ && bytes <= kInlineReply) {
      std::byte copy[kInlineReply];
      std::memcpy(copy, slot.reply, bytes);
      return read_reply(std::span(copy).first(bytes), files);
    }
    if (place == Place::arena && bytes <= out_.size() && offset <= out_.size() - bytes) {
      const std::string copy(reinterpret_cast<const char*>(out_.data()) + offset, bytes);
      return read_reply(as_bytes(copy), files);
    }
    if (place == Place::memfd) {
      Result<SharedRegion> payload = open_payload(std::move(attached->front()), bytes);
      if (!payload) return tl::unexpected(payload.error());
      return read_reply(payload->bytes(), files);
    }
    return fail(ErrorCode::protocol, "a reply lies where no reply can lie");
  }();
  if (!reply) return reply;
  const Issued& issue = issued(seq);
  if (reply->job != issue.job || reply->attempt != issue.attempt) {
    return fail(ErrorCode::protocol, "a reply is for another job or attempt than its slot");
  }
  attach_files(reply->outcome, files, std::span(*attached).last(file_count(files)));
  return reply;
}

bool ShmRequester::take_back(Ticket ticket) {
  const std::uint64_t seq = number(ticket);
  if (seq < head_ || seq >= tail_ || issued(seq).taken_back) return false;
  std::uint64_t expected = pack({seq, SlotState::ready});
  // Against the claim of the worker: one of the two wins.
  if (!slot(seq).word.compare_exchange_strong(expected, pack({seq, SlotState::revoked}), std::memory_order_acq_rel)) {
    return false;
  }
  issued(seq).taken_back = true;
  return true;
}

std::optional<TimePoint> ShmRequester::entered(Ticket ticket) const {
  const Slot& at = slot(number(ticket));
  const Word word = unpack(at.word.load(std::memory_order_acquire));
  if (word.seq != number(ticket) || (word.state != SlotState::running && word.state != SlotState::done)) return {};
  return time_point(at.started_ns);
}

Fate ShmRequester::fate(Ticket ticket) const {
  const Word word = unpack(slot(number(ticket)).word.load(std::memory_order_acquire));
  const bool untouched = word.seq == number(ticket) && (word.state == SlotState::ready || word.state == SlotState::claimed ||
                                                        word.state == SlotState::revoked);
  return untouched ? Fate::untouched : Fate::entered;
}

void ShmRequester::arm(Ticket from) { inbound_.state().ring_from[worker_].store(number(from), std::memory_order_seq_cst); }

bool ShmRequester::done(Ticket from) const {
  // seq_cst: after sleep_begins(); partner: ShmResponder::answer
  return unpack(slot(number(from)).word.load(std::memory_order_seq_cst)).state == SlotState::done;
}

void ShmRequester::hush() {
  std::uint64_t rings = 0;
  // Nothing there is no error: the worker rings at most once for each time that the master slept.
  static_cast<void>(os::retry("read", ::read, doorbell_.get(), static_cast<void*>(&rings), sizeof rings));
}

void ShmRequester::close() {
  channel_header(channel_.data()).closing.store(1, std::memory_order_seq_cst);
  static_cast<void>(kick());
}

}  // namespace runner::ipc
