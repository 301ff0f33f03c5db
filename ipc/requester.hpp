// requester.hpp - the master's end of the connection with one worker incarnation: requests out, replies back, as bytes.
//
// Two transports behind it (shm_requester.hpp, pipe_requester.hpp), one contract, one suite of tests. A connection dies with
// its worker and is never repaired: after the death, wreck() tells of every outstanding ticket how far it came, and then the
// requester is thrown away.
//
// Called from  the master's loop thread.
// Owns         the channel's memory or pipes, and the payloads of requests not yet collected.
// Survives     the worker's death, or its malice, at any instruction.
// Call order   (send | kick | front pop? | take_back | entered | arm)* [front pop? | wreck]* ; after close() no send
// Fails with   system; protocol when the worker broke the rules: the caller ends it and takes the crash path. send also with
//              usage: a request larger than can be sent. That the worker is gone is no error of send. take_back adds nothing when
//              it cannot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <runner/item_sink.hpp>
#include <runner/result.hpp>
#include <runner/unique_fd.hpp>
#include <runner/units.hpp>
#include <runner/wire.hpp>
#include "ipc/slot.hpp"

namespace runner::ipc {

enum class Ticket : std::uint64_t {};  // counts the requests of one connection from 0
[[nodiscard]] constexpr std::uint64_t number(Ticket ticket) { return static_cast<std::uint64_t>(ticket); }

struct Request {
  Form form = Form::job;
  std::uint32_t items = 1;
  std::uint64_t stream_room = 0;  // for several items: bytes that their results will take, as far as that is known
  bool timed = true;              // whether entered and finished are wanted in the reply
  const WireContent& content;
};

// Bytes of a reply. With an owner they are sealed, cannot change, and stay as long as the owner; without one they lie where the
// worker can still write: what is believed of them must be copied first. Then they are valid until pop().
struct ReplyBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

struct Reply {
  Ticket ticket{};
  std::uint32_t finished_items = 0;  // whose results are in `stream`; the item after them is that of `last`
  ReplyBytes stream;
  LastPart last_part{};
  ReplyBytes last;
  std::uint32_t files = 0;  // which streams of an outcome `attached` has (message.hpp)
  std::vector<UniqueFd> attached;
  std::optional<Error> lost;  // why `last` and `attached` are empty though they came: something on our side was used up
  TimePoint entered;          // the worker had the request, and went into it ...
  TimePoint finished;         // ... and its reply was complete; both only if the request was timed
};

// What became of a request whose worker died without a reply.
enum class Fate : std::uint8_t {
  untouched,  // user code was provably not entered: hand it out again, uncharged
  entered,    // item `finished_items` may have had effects; those before it are done, those after it untouched
  unknown,    // the worker broke the rules: any of its items may have had effects
};
struct Wreck {
  Fate fate{};
  std::uint32_t finished_items = 0;
  std::span<const std::byte> stream;  // their results; the worker is dead, so they change no more
};

// Bytes of requests and replies.
struct Traffic {
  std::uint64_t sent = 0, received = 0;
};

class Requester {
 public:
  virtual ~Requester() = default;

  [[nodiscard]] const Traffic& traffic() const { return traffic_; }

  // No place for another request now.
  [[nodiscard]] virtual bool full() const = 0;
  // Only while not full(). Publishes a request; an awake worker may take it at once, a sleeping one after kick().
  [[nodiscard]] virtual Result<Ticket> send(const Request& request) = 0;
  // Wakes the worker if it sleeps: one wake for all requests since the last kick. system: the worker is gone.
  virtual Result<void> kick() = 0;
  // Whether the worker sleeps, so that a kick would have to wake it; as far as that can be known.
  [[nodiscard]] virtual bool asleep() const { return false; }

  // The reply to the oldest outstanding request, to be taken with pop(); null when there is none yet. Asked for once each.
  [[nodiscard]] virtual Result<Reply*> front() = 0;
  virtual void pop() = 0;

  // Takes a request back, and perhaps others with it: those added to `taken` the worker has not entered and will not enter.
  virtual void take_back(Ticket ticket, std::vector<Ticket>& taken) = 0;
  // When the worker entered the code of an outstanding timed request, if it did.
  [[nodiscard]] virtual std::optional<TimePoint> entered(Ticket ticket) const = 0;
  // After the worker's death, and after front() had no more.
  [[nodiscard]] virtual Wreck wreck(Ticket ticket) const = 0;

  // Before the master sleeps: ring the doorbell only once `from` or a later request is done.
  virtual void arm(Ticket from) = 0;
  // Whether that is the case already, so that sleeping would be a mistake.
  [[nodiscard]] virtual bool done(Ticket from) const = 0;

  // Readable when there may be something to collect.
  [[nodiscard]] virtual int doorbell() const = 0;
  // Makes the doorbell unreadable until the next ring; called before collecting.
  virtual void hush() = 0;
  // Whether unsent bytes wait for the doorbell-independent descriptor to become writable; -1: none.
  [[nodiscard]] virtual int blocked_fd() const { return -1; }

  // There will be no more requests; an idle worker leaves.
  virtual void close() = 0;

 protected:
  Traffic traffic_;
};

}  // namespace runner::ipc
