// requester.hpp - the master's end of the connection with one worker incarnation.
//
// Two transports behind it (shm_requester.hpp, pipe_requester.hpp), one contract, one suite of tests. A connection dies with
// its worker and is never repaired: after the death, fate() tells of every outstanding ticket how far it came, and then the
// requester is thrown away.
//
// Called from  the master's loop thread.
// Owns         the channel's memory or pipes, and the payloads of requests not yet collected.
// Survives     the worker's death, or its malice, at any instruction.
// Call order   (send | kick | collect | take_back | entered | arm)* [fate*] ; after close() no send
// Fails with   system; protocol when the worker broke the rules: the caller ends it and takes the crash path.
#pragma once

#include <cstdint>
#include <optional>

#include <runner/result.hpp>
#include <runner/units.hpp>
#include "ipc/message.hpp"

namespace runner::ipc {

enum class Ticket : std::uint64_t {};  // counts the requests of one connection from 0
[[nodiscard]] constexpr std::uint64_t number(Ticket ticket) { return static_cast<std::uint64_t>(ticket); }

struct Completion {
  Ticket ticket{};
  JobReply reply;
  TimePoint entered;   // the worker entered the job's code
  TimePoint finished;  // ... and left it
};

// What became of a request whose worker died without a completion.
enum class Fate : std::uint8_t {
  untouched,  // its code was provably not entered: hand it out again, uncharged
  entered,    // it may have had effects
};

class Requester {
 public:
  virtual ~Requester() = default;

  // No place for another request now.
  [[nodiscard]] virtual bool full() const = 0;
  // Publishes a request; an awake worker may take it at once, a sleeping one after kick().
  [[nodiscard]] virtual Result<Ticket> send(JobId job, Attempt attempt, const Work& work) = 0;
  // Wakes the worker if it sleeps: one wake for all requests since the last kick. system: the worker is gone.
  virtual Result<void> kick() = 0;

  // The next completion in the order of tickets; false when there is none yet.
  [[nodiscard]] virtual Result<bool> collect(Completion& completion) = 0;

  // Takes a request back. True: the worker has not entered and will not enter it.
  [[nodiscard]] virtual bool take_back(Ticket ticket) = 0;
  // When the worker entered the code of an outstanding request, if it did.
  [[nodiscard]] virtual std::optional<TimePoint> entered(Ticket ticket) const = 0;
  [[nodiscard]] virtual Fate fate(Ticket ticket) const = 0;

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
};

}  // namespace runner::ipc
