#include "ipc/shm_requester.hpp"

#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "ipc/control.hpp"
#include "ipc/futex.hpp"
#include "ipc/message.hpp"
#include "ipc/note.hpp"
#include "ipc/os.hpp"

namespace runner::ipc {

namespace {

// Descriptors in flight count against the user's limit; more than a few large payloads in a queue gain nothing.
constexpr std::uint32_t kMaxMemfds = 4;
// A worker busy in a long job reads no notes, and a full socket would block the master. What is taken back stays there.
constexpr std::uint32_t kMaxUnread = 8;

TimePoint time_point(std::uint64_t ns) { return TimePoint(Duration(static_cast<std::int64_t>(ns))); }

tl::unexpected<Error> violation(const char* what) { return fail(ErrorCode::protocol, what); }

// The one look at something that the worker may change at any time: the compiler must not come back for it after a check.
template <class T>
T once(const T& at) {
  return *static_cast<const volatile T*>(&at);
}

// The part of `memory` that a worker names, if there is one.
std::optional<std::span<const std::byte>> part(std::span<const std::byte> memory, std::uint64_t offset, std::uint64_t bytes) {
  if (bytes > memory.size() || offset > memory.size() - bytes) return std::nullopt;
  return memory.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(bytes));
}

// The results of the items before progress.item.
std::optional<std::span<const std::byte>> stream_of(const Slot& slot, const Issued& issued, ItemProgress progress,
                                                    std::span<const std::byte> out) {
  if (progress.end == 0) return std::span<const std::byte>();
  if (issued.items == 1) return part(std::span(slot.reply), 0, progress.end);
  return part(out, once(slot.stream_offset), progress.end);
}

}  // namespace

Result<std::unique_ptr<ShmRequester>> ShmRequester::create(Inbound& inbound, std::uint32_t worker, std::uint64_t incarnation,
                                                           int control, const ShmGeometry& geometry, std::uint64_t max_result) {
  Result<SharedRegion> channel = SharedRegion::create("runner-channel", channel_bytes(geometry.depth), Access::read_write);
  if (!channel) return tl::unexpected(channel.error());
  Result<SharedRegion> out = SharedRegion::create("runner-out", geometry.out_bytes, Access::read_write, Pages::as_needed);
  if (!out) return tl::unexpected(out.error());
  // The worker's to write. A stray write of ours shall not look as if it were the worker's.
  if (os::call("mprotect", ::mprotect, out->data(), out->size(), PROT_READ) != 0) {
    return os::failure("share memory with a worker", "mprotect");
  }
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
  return std::unique_ptr<ShmRequester>(new ShmRequester(inbound, std::move(*channel), std::move(*out), std::move(doorbell),
                                                        worker, control, geometry, longest_reply(max_result)));
}

ShmRequester::ShmRequester(Inbound& inbound, SharedRegion channel, SharedRegion out, UniqueFd doorbell, std::uint32_t worker,
                           int control, const ShmGeometry& geometry, std::uint64_t longest)
    : inbound_(inbound),
      channel_(std::move(channel)),
      out_(std::move(out)),
      doorbell_(std::move(doorbell)),
      worker_(worker),
      control_(control),
      geometry_(geometry),
      longest_(longest),
      issued_(geometry.depth) {}

ShmRequester::~ShmRequester() {
  for (Issued& issue : issued_) release(issue);  // the one whose content threw among them
}

std::vector<int> ShmRequester::files() const { return {channel_.fd(), inbound_.region().fd(), out_.fd(), doorbell_.get()}; }

// ---- requests ----

bool ShmRequester::full() const { return tail_ - head_ >= geometry_.depth || memfds_ >= kMaxMemfds || unread_ >= kMaxUnread; }

Result<Ticket> ShmRequester::send(const Request& request) {
  // Never over a slot that is in use, whatever the caller thought.
  if (tail_ - head_ >= geometry_.depth)
    return fail(ErrorCode::usage, "a request was sent to a worker whose slots are all in use");
  const std::uint64_t seq = tail_;
  Slot& to = slot(seq);
  Issued& issue = issued(seq);
  release(issue);  // what was taken for a request whose content threw
  issue.items = request.items;
  issue.timed = request.timed;
  issue.taken_back = false;
  to.items = request.items;
  to.form = request.form;
  if (request.items != 1) to.stream_room = request.stream_room;
  to.timed = request.timed ? 1 : 0;
  ByteWriter small(std::span(to.request));
  request.content.write(small);
  to.request_bytes = small.size();
  to.request_place = Place::inline_;
  if (!small.fits()) {
    if (Result<void> placed = place_large(to, issue, seq, request.content, small.size()); !placed) {
      release(issue);
      return tl::unexpected(placed.error());
    }
  }
  ++tail_;
  traffic_.sent += small.size();
  // release: after all of the request's bytes. kick() has the fence between this store and the look at `sleeping`.
  to.word.store(pack({seq, SlotState::ready}), std::memory_order_release);
  return Ticket{seq};
}

Result<void> ShmRequester::place_large(Slot& slot, Issued& issue, std::uint64_t seq, const WireContent& content,
                                       std::size_t bytes) {
  if (bytes < geometry_.memfd_from) {
    issue.payload = inbound_.arena().allocate(bytes);
    if (issue.payload) {
      ByteWriter large(inbound_.arena().at(*issue.payload, bytes));
      content.write(large);
      slot.request_place = Place::arena;
      slot.request_offset = *issue.payload;
      return {};
    }
  }
  Result<UniqueFd> sealed = seal_payload(content, bytes);
  if (!sealed) return tl::unexpected(sealed.error());
  const int fd = sealed->get();
  // A worker that is gone takes no files. Its death will be told, and the request be found untouched.
  if (Result<void> sent = send_note(control_, {NoteTag::files, seq}, std::span(&fd, 1), false); !sent && !hung_up(control_)) {
    return sent;
  }
  slot.request_place = Place::memfd;
  issue.memfd = true;
  ++memfds_;
  ++unread_;
  return {};
}

void ShmRequester::release(Issued& issue) {
  if (issue.payload) inbound_.arena().free(*std::exchange(issue.payload, {}));
  if (std::exchange(issue.memfd, false)) --memfds_;
}

Result<void> ShmRequester::kick() {
  // Between the READY stores before and the look at `sleeping`; partner: the fence of ShmResponder::sleep.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::atomic<std::uint32_t>& sleeping = channel_header(channel_.data()).sleeping;
  if (sleeping.load(std::memory_order_relaxed) != 0 && sleeping.exchange(0, std::memory_order_seq_cst) != 0) {
    futex_wake(sleeping);
  }
  return {};
}

bool ShmRequester::asleep() const { return channel_header(channel_.data()).sleeping.load(std::memory_order_relaxed) != 0; }

void ShmRequester::take_back(Ticket ticket, std::vector<Ticket>& taken) {
  const std::uint64_t seq = number(ticket);
  if (seq < head_ || seq >= tail_ || issued(seq).taken_back) return;
  std::uint64_t expected = pack({seq, SlotState::ready});
  // Against the claim of the worker: one of the two wins.
  if (!slot(seq).word.compare_exchange_strong(expected, pack({seq, SlotState::revoked}), std::memory_order_acq_rel)) return;
  issued(seq).taken_back = true;
  taken.push_back(ticket);
}

// ---- replies ----

Result<Reply*> ShmRequester::front() {
  if (unread_ >= kMaxUnread) {
    int bytes = 0;
    if (os::call("ioctl", ::ioctl, control_, static_cast<unsigned long>(SIOCOUTQ), &bytes) == 0 && bytes == 0) unread_ = 0;
  }
  for (; head_ < tail_ && issued(head_).taken_back; ++head_) release(issued(head_));
  if (head_ == tail_) return nullptr;
  const Slot& from = slot(head_);
  const Word word = unpack(from.word.load(std::memory_order_acquire));  // partner: the DONE store of the responder
  if (word.seq != head_) return violation("a slot's sequence number was changed");
  switch (word.state) {
    case SlotState::ready:
    case SlotState::claimed:
    case SlotState::running: return nullptr;
    case SlotState::done: break;
    case SlotState::free:
    case SlotState::revoked:
    default: return violation("a slot is in a state that the worker must not give it");
  }
  if (Result<void> read_well = read(from, head_); !read_well) return tl::unexpected(read_well.error());
  return &reply_;
}

void ShmRequester::pop() {
  traffic_.received += reply_.stream.bytes.size() + reply_.last.bytes.size();
  release(issued(head_));
  if (reply_is_large_) {
    reply_.attached.clear();
    reply_.last.owner.reset();
    reply_.lost.reset();
    reply_is_large_ = false;
  }
  slot(head_).word.store(pack({head_ + geometry_.depth, SlotState::free}), std::memory_order_release);
  ++head_;
}

// Everything that decides is copied before it is looked at: the worker could change it meanwhile.
Result<void> ShmRequester::read(const Slot& slot, std::uint64_t seq) {
  const Issued& issue = issued(seq);
  const ItemProgress progress = unpack_progress(slot.progress.load(std::memory_order_relaxed));
  const Place place = once(slot.reply_place);
  const LastPart last_part = once(slot.last_part);
  const std::uint64_t bytes = once(slot.reply_bytes), offset = once(slot.reply_offset);
  const std::uint32_t files = once(slot.reply_files);

  switch (last_part) {
    case LastPart::none:
      if (progress.item != issue.items) return violation("a reply has not the results of all items");
      break;
    case LastPart::result:
    case LastPart::failure:
      if (progress.item >= issue.items) return violation("a reply is about an item that its request has not");
      break;
    default: return violation("a reply ends in an unknown way");
  }
  const std::optional<std::span<const std::byte>> stream = stream_of(slot, issue, progress, out_.bytes());
  if (!stream) return violation("the results of items lie where no results can lie");

  if (last_part != LastPart::none && bytes > longest_) return violation("a reply is longer than allowed");

  reply_.ticket = Ticket{seq};
  reply_.finished_items = progress.item;
  reply_.stream.bytes = {stream->data(), stream->size()};
  reply_.last.bytes = {};
  reply_.last_part = last_part;
  reply_.files = files;
  reply_.entered = issue.timed ? time_point(once(slot.started_ns)) : TimePoint{};
  reply_.finished = issue.timed ? time_point(once(slot.finished_ns)) : TimePoint{};
  if (last_part == LastPart::none)
    return files == 0 ? Result<void>() : violation("a reply without a last part announces files");
  if (place == Place::memfd || files != 0) {
    reply_is_large_ = true;
    Result<void> there = read_files(seq, place, files, bytes);
    if (!there && there.error().code != ErrorCode::system) return there;
    if (!there) reply_.lost = there.error();
    if (!there || place == Place::memfd) return {};
  }
  if (place == Place::inline_ && bytes <= kInlineReply) {
    reply_.last.bytes = std::span(slot.reply).first(static_cast<std::size_t>(bytes));
    return {};
  }
  if (place == Place::arena) {
    if (const std::optional<std::span<const std::byte>> found = part(out_.bytes(), offset, bytes)) {
      reply_.last.bytes = *found;
      return {};
    }
  }
  return violation("a reply lies where no reply can lie");
}

Result<void> ShmRequester::read_files(std::uint64_t seq, Place place, std::uint32_t files, std::uint64_t bytes) {
  if ((files & ~(kOutSpilled | kErrSpilled)) != 0) return violation("a reply announces unknown files");
  const std::size_t own = place == Place::memfd ? 1 : 0;
  Result<std::vector<UniqueFd>> attached = receive_files(control_, seq, own + file_count(files));
  if (!attached) return tl::unexpected(attached.error());
  if (own != 0) {
    Result<std::shared_ptr<const SharedRegion>> payload = open_payload(std::move(attached->front()), bytes);
    if (!payload) return tl::unexpected(payload.error());
    attached->erase(attached->begin());
    reply_.last.bytes = (*payload)->bytes();
    reply_.last.owner = std::move(*payload);
  }
  reply_.attached = std::move(*attached);
  return {};
}

// ---- how far it came ----

std::optional<TimePoint> ShmRequester::entered(Ticket ticket) const {
  const Slot& at = slot(number(ticket));
  const Word word = unpack(at.word.load(std::memory_order_acquire));
  if (word.seq != number(ticket) || (word.state != SlotState::running && word.state != SlotState::done)) return {};
  return issued(number(ticket)).timed ? std::optional(time_point(once(at.started_ns))) : std::nullopt;
}

Wreck examine(const Slot& slot, std::uint64_t seq, const Issued& issued, std::span<const std::byte> out) {
  const Word word = unpack(slot.word.load(std::memory_order_acquire));
  if (word.seq != seq) return {Fate::unknown, 0, {}};
  switch (word.state) {
    case SlotState::ready:
    case SlotState::claimed:
    case SlotState::revoked: return {Fate::untouched, 0, {}};
    case SlotState::running: break;
    case SlotState::free:
    case SlotState::done:
    default: return {Fate::unknown, 0, {}};
  }
  const ItemProgress progress = unpack_progress(slot.progress.load(std::memory_order_acquire));
  const std::optional<std::span<const std::byte>> stream = stream_of(slot, issued, progress, out);
  if (progress.item > issued.items || !stream) return {Fate::unknown, 0, {}};
  return {Fate::entered, progress.item, *stream};
}

Wreck ShmRequester::wreck(Ticket ticket) const {
  return examine(slot(number(ticket)), number(ticket), issued(number(ticket)), out_.bytes());
}

// ---- waiting ----

void ShmRequester::arm(Ticket from) {
  inbound_.state().ring_from[worker_].store(number(from), std::memory_order_relaxed);  // before the fence of sleep_begins()
}

bool ShmRequester::done(Ticket from) const {
  // After the fence of sleep_begins(); partner: the DONE store of ShmResponder::answer.
  return unpack(slot(number(from)).word.load(std::memory_order_relaxed)).state == SlotState::done;
}

void ShmRequester::hush() {
  std::uint64_t rings = 0;
  const iovec part{&rings, sizeof rings};
  // Without waiting, whatever the worker did to the flags of the file, which are its flags too. Nothing there is no error: the
  // worker rings at most once for each time that the master slept.
  static_cast<void>(os::retry("preadv2", ::preadv2, doorbell_.get(), &part, 1, off_t{-1}, RWF_NOWAIT));
}

void ShmRequester::close() {
  channel_header(channel_.data()).closing.store(1, std::memory_order_seq_cst);
  static_cast<void>(kick());
}

}  // namespace runner::ipc
