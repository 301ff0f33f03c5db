// responder.hpp - the worker's end of the connection with its master: requests in, replies out, as bytes.
//
// Called from  the worker's only thread.
// Call order   (next entering [items()...] terminate_asked* answer)*
// Fails with   system or protocol: the worker cannot go on and leaves; the master sees its death. The sink that items() gives
//              keeps its first failure for answer(). answer also with unwritable: it could not be sent, for want of memory or of
//              what a limit counts; nothing of it was published, so another, smaller answer may follow.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <runner/item_sink.hpp>
#include <runner/result.hpp>
#include <runner/units.hpp>
#include "ipc/slot.hpp"

namespace runner::ipc {

// A request as it came; valid until answer().
struct Incoming {
  Form form{};
  std::uint32_t items = 1;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  // where the bytes are sealed: keeps them for who refers to them
  // Why there are no bytes though they were sent: no memory for them on our side. It is to be answered with LastPart::failure.
  std::optional<Error> lost;
  TimePoint seen{};   // all of it was here; where nobody wants times: nothing
  TimePoint woken{};  // the worker had waited for it asleep, and this is when that ended
  TimePoint free{};   // the reply before was off our hands, where that is later than it was complete
};

struct Answer {
  LastPart last_part = LastPart::none;
  const WireContent* last = nullptr;  // null: there is none, or the sink took it by overflow()
  std::uint32_t files = 0;            // which streams' descriptors `attached` has (message.hpp)
  std::span<const int> attached;
};

class Responder {
 public:
  virtual ~Responder() = default;

  // The next request. Sleeps while there is none; nothing: the master wants no more.
  [[nodiscard]] virtual Result<std::optional<Incoming>> next() = 0;
  // From here on the user's code may have effects: published before its first instruction.
  [[nodiscard]] virtual Result<void> entering() = 0;
  // Where the items of the current request put their results. There is room for no result that is larger than allowed.
  [[nodiscard]] virtual ItemSink& items() = 0;
  // Publishes the reply after all of its bytes.
  [[nodiscard]] virtual Result<void> answer(const Answer& answer) = 0;

  // For a long command: the control socket became readable. True: the master wants the current request ended. Error (protocol):
  // the master is gone, so nobody waits for it.
  [[nodiscard]] virtual Result<bool> terminate_asked() = 0;
};

}  // namespace runner::ipc
