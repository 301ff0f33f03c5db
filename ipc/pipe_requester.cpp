#include "ipc/pipe_requester.hpp"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "ipc/message.hpp"
#include "ipc/note.hpp"
#include "ipc/os.hpp"

namespace runner::ipc {

namespace {

constexpr std::size_t kMostOutstanding = 256;
constexpr std::size_t kMostWaiting = std::size_t{1} << 20;
constexpr std::size_t kLength = sizeof(std::uint32_t);

Result<std::pair<UniqueFd, UniqueFd>> pipe_pair(int flags) {
  int ends[2];
  if (os::call("pipe2", ::pipe2, ends, O_CLOEXEC | flags) != 0) return os::failure("make a pipe", "pipe2");
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> make_non_blocking(int fd, int flags) {
  if (os::call("fcntl", ::fcntl, fd, F_SETFL, O_NONBLOCK | flags) != 0) return os::failure("set up a pipe", "fcntl");
  return {};
}

}  // namespace

bool PipeRequester::Issued::large() const { return frame.size() > PIPE_BUF; }

Result<PipeRequester::Made> PipeRequester::create(int control, std::uint64_t max_result) {
  if (max_result > kMostPipeResult) {
    return fail(ErrorCode::usage, "max_result is " + format_size({max_result}) + ", and a pipe carries results of at most " +
                                      format_size({kMostPipeResult}) + ": lower it, or use shared memory (--transport shm)");
  }
  Result<std::pair<UniqueFd, UniqueFd>> requests = pipe_pair(O_DIRECT);
  if (!requests) return tl::unexpected(requests.error());
  Result<std::pair<UniqueFd, UniqueFd>> replies = pipe_pair(0);
  if (!replies) return tl::unexpected(replies.error());
  if (Result<void> set = make_non_blocking(requests->second.get(), O_DIRECT); !set) return tl::unexpected(set.error());
  if (Result<void> set = make_non_blocking(replies->first.get(), 0); !set) return tl::unexpected(set.error());
  // Opened anew, or not to block here would mean not to block there.
  const std::string path = "/proc/self/fd/" + std::to_string(requests->first.get());
  UniqueFd taking(os::retry("open", ::open, path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!taking) return os::failure("open a pipe for taking requests back (is /proc mounted?)", "open");
  // Each packet takes a page of it. Where the user's share of pipe memory is used up, fewer wait there and more with us.
  static_cast<void>(
      os::call("fcntl", ::fcntl, requests->second.get(), F_SETPIPE_SZ, static_cast<int>(kMostOutstanding * PIPE_BUF)));
  return Made{std::unique_ptr<PipeRequester>(new PipeRequester(control, std::move(requests->second), std::move(taking),
                                                               std::move(replies->first), longest_reply(max_result))),
              std::move(requests->first), std::move(replies->second)};
}

// ---- requests ----

bool PipeRequester::full() const { return issued_.size() >= kMostOutstanding || waiting_ > kMostWaiting; }

Result<Ticket> PipeRequester::send(const Request& request) {
  ByteWriter sizing({});
  request.content.write(sizing);
  Issued issue{
      .ticket = next_, .items = request.items, .stream_room = std::min(request.stream_room, kMostPipeStream), .frame = {}};
  const auto header = [&](ByteWriter& out) {
    WireWriter{out}(issue.ticket, issue.items, issue.stream_room, static_cast<std::uint16_t>(request.form));
  };
  header(sizing);
  if (sizing.size() > UINT32_MAX) {
    return fail(ErrorCode::usage, "the arguments of a job take " + std::to_string(sizing.size()) +
                                      " bytes; at most 4 GiB can be sent through a pipe");
  }
  const auto length = static_cast<std::uint32_t>(sizing.size());
  issue.frame.resize(kLength + length);
  std::memcpy(issue.frame.data(), &length, kLength);
  ByteWriter out(std::as_writable_bytes(std::span(issue.frame)).subspan(kLength));
  header(out);
  request.content.write(out);
  waiting_ += issue.frame.size();
  traffic_.sent += length;
  issued_.push_back(std::move(issue));
  return Ticket{next_++};
}

// A long request goes alone; nothing goes behind one that may still be on its way.
bool PipeRequester::may_write(std::size_t index) const {
  const Issued& issue = issued_[index];
  if (issue.written != 0) return true;  // half of it is there
  if (index == 0) return true;
  if (issue.large()) return false;
  return !issued_[index - 1].large() || (index == 1 && entered_.has_value());
}

Result<void> PipeRequester::kick() {
  blocked_ = false;
  for (std::size_t i = 0; i < issued_.size() && !blocked_; ++i) {
    Issued& issue = issued_[i];
    if (issue.in_pipe()) continue;
    if (!may_write(i)) break;
    while (!issue.in_pipe()) {
      const char* rest = issue.frame.data() + issue.written;
      const ssize_t put =
          os::retry("write", ::write, requests_.get(), static_cast<const void*>(rest), issue.frame.size() - issue.written);
      if (put < 0) {
        blocked_ = true;  // the rest is tried again when the pipe can take more
        if (errno == EAGAIN) break;
        return os::failure("write to a worker's pipe", "write");
      }
      issue.written += static_cast<std::size_t>(put);
      waiting_ -= static_cast<std::size_t>(put);
    }
  }
  if (closed_ && waiting_ == 0 && requests_) {
    // An empty frame says it. The end of the stream, which says it too, does not come while another child of ours holds our end.
    const std::uint32_t nothing = 0;
    static_cast<void>(os::retry("write", ::write, requests_.get(), static_cast<const void*>(&nothing), sizeof nothing));
    requests_.reset();
  }
  return {};
}

void PipeRequester::close() {
  closed_ = true;
  static_cast<void>(kick());
}

void PipeRequester::take_back(Ticket ticket, std::vector<Ticket>& taken) {
  const auto at = std::find_if(issued_.begin(), issued_.end(), [&](const Issued& one) { return one.ticket == number(ticket); });
  if (at == issued_.end()) return;
  if (at->written == 0) {
    waiting_ -= at->frame.size();
    issued_.erase(at);
    taken.push_back(ticket);
  } else if (at->in_pipe() && !at->large()) {
    steal(taken);
  }
}

// Reads back every packet that the worker has not read: no more than were written, or one that writes there itself, as it may,
// could keep us at it.
void PipeRequester::steal(std::vector<Ticket>& taken) {
  std::array<char, PIPE_BUF> packet;
  for (std::size_t most = issued_.size(); most > 0; --most) {
    const ssize_t got = os::retry("read", ::read, taking_.get(), static_cast<void*>(packet.data()), packet.size());
    if (got < static_cast<ssize_t>(kLength + sizeof(std::uint64_t))) return;
    std::uint64_t ticket = 0;
    std::memcpy(&ticket, packet.data() + kLength, sizeof ticket);
    const auto at = std::find_if(issued_.begin(), issued_.end(), [&](const Issued& one) { return one.ticket == ticket; });
    if (at == issued_.end() || !at->in_pipe() || (at == issued_.begin() && entered_)) continue;  // not ours
    issued_.erase(at);
    taken.push_back(Ticket{ticket});
  }
}

// ---- replies ----

Result<Reply*> PipeRequester::front() {
  if (read_) return &reply_;
  for (;;) {
    for (;;) {
      const Result<std::optional<std::span<const std::byte>>> message = replies_in_.next();
      if (!message) return tl::unexpected(message.error());
      if (!*message) break;
      const Result<bool> reply = take(**message);
      if (!reply) return tl::unexpected(reply.error());
      if (!*reply) continue;
      read_ = true;
      return &reply_;
    }
    const Result<FrameReader::Filled> filled = replies_in_.fill(replies_.get());
    if (!filled) return tl::unexpected(filled.error());
    // The end of the stream is the worker's death, which its pidfd tells.
    if (*filled != FrameReader::Filled::some) return nullptr;
  }
}

Result<bool> PipeRequester::take(std::span<const std::byte> message) try {
  WireReader in(message);
  std::uint8_t tag = 0;
  std::uint64_t ticket = 0;
  in(tag, ticket);
  if (issued_.empty() || ticket != issued_.front().ticket || issued_.front().written == 0) {
    return fail(ErrorCode::protocol, "a message is for another request than the next");
  }
  if (tag == static_cast<std::uint8_t>(PipeTag::entered)) {
    std::int64_t entered = 0;
    in(entered);
    if (entered_ || in.left() != 0) return fail(ErrorCode::protocol, "a request was entered twice");
    entered_ = TimePoint(Duration(entered));
    if (waiting_ != 0)
      static_cast<void>(kick());  // what had to wait for a long request may follow; a failure is told by its death
    return false;
  }
  if (!entered_) return fail(ErrorCode::protocol, "a reply comes before its request was entered");
  std::uint32_t item = 0;
  if (tag == static_cast<std::uint8_t>(PipeTag::progress)) {
    in(item);
    // Each brings it further, or there would be no end to them.
    if (item <= item_) return fail(ErrorCode::protocol, "a request came no further");
    if (Result<void> taken = take_progress(item, in.view(in.left())); !taken) return tl::unexpected(taken.error());
    return false;
  }
  if (tag != static_cast<std::uint8_t>(PipeTag::reply)) return fail(ErrorCode::protocol, "a message has an unknown tag");
  std::int64_t finished = 0;
  std::uint16_t last_part = 0;
  std::uint32_t files = 0, tail = 0;
  in(finished, item, last_part, files, tail);
  if (Result<void> taken = take_progress(item, in.view(tail)); !taken) return tl::unexpected(taken.error());
  const std::uint32_t items = issued_.front().items;
  switch (static_cast<LastPart>(last_part)) {
    case LastPart::none:
      if (item != items || in.left() != 0 || files != 0)
        return fail(ErrorCode::protocol, "a reply has not the results of all items");
      break;
    case LastPart::result:
    case LastPart::failure:
      if (item >= items) return fail(ErrorCode::protocol, "a reply is about an item that its request has not");
      break;
    default: return fail(ErrorCode::protocol, "a reply ends in an unknown way");
  }
  if ((files & ~(kOutSpilled | kErrSpilled)) != 0) return fail(ErrorCode::protocol, "a reply announces unknown files");
  Result<std::vector<UniqueFd>> attached = receive_files(control_, ticket, file_count(files));
  if (!attached && attached.error().code != ErrorCode::system) return tl::unexpected(attached.error());
  const std::span<const std::byte> last = attached ? in.view(in.left()) : std::span<const std::byte>();
  last_.assign(reinterpret_cast<const char*>(last.data()), last.size());
  reply_ = {.ticket = Ticket{ticket},
            .finished_items = item,
            .stream = {as_bytes(stream_), nullptr},
            .last_part = static_cast<LastPart>(last_part),
            .last = {as_bytes(last_), nullptr},
            .files = files,
            .attached = attached ? std::move(*attached) : std::vector<UniqueFd>(),
            .lost = attached ? std::nullopt : std::optional(attached.error()),
            .entered = *entered_,
            .finished = TimePoint(Duration(finished))};
  return true;
} catch (const WireError& error) {
  return fail(ErrorCode::protocol, std::string("a message cannot be read: ") + error.what());
}

Result<void> PipeRequester::take_progress(std::uint32_t item, std::span<const std::byte> results) {
  const Issued& issue = issued_.front();
  if (item < item_ || item > issue.items) return fail(ErrorCode::protocol, "the items of a request did not come in order");
  if (results.size() > issue.stream_room - std::min<std::uint64_t>(stream_.size(), issue.stream_room)) {
    return fail(ErrorCode::protocol, "the results of items take more than there is room for");
  }
  item_ = item;
  stream_.append(reinterpret_cast<const char*>(results.data()), results.size());
  return {};
}

void PipeRequester::pop() {
  traffic_.received += reply_.stream.bytes.size() + reply_.last.bytes.size();
  issued_.pop_front();
  entered_.reset();
  item_ = 0;
  stream_.clear();
  last_.clear();
  last_.shrink_to_fit();
  reply_.attached.clear();
  read_ = false;
  if (waiting_ != 0) static_cast<void>(kick());
}

// ---- how far it came ----

std::optional<TimePoint> PipeRequester::entered(Ticket ticket) const {
  return !issued_.empty() && number(ticket) == issued_.front().ticket ? entered_ : std::nullopt;
}

Wreck PipeRequester::wreck(Ticket ticket) const {
  if (!entered(ticket)) return {Fate::untouched, 0, {}};
  return {Fate::entered, item_, as_bytes(stream_)};
}

}  // namespace runner::ipc
