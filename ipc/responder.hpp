// responder.hpp - the worker's end of the connection with its master.
//
// Called from  the worker's only thread.
// Call order   (next entering terminate_asked* answer)*
// Fails with   system or protocol: the worker cannot go on and leaves; the master sees its death.
#pragma once

#include <optional>

#include <runner/result.hpp>
#include "ipc/message.hpp"
#include "ipc/requester.hpp"

namespace runner::ipc {

class Responder {
 public:
  virtual ~Responder() = default;

  // The next request; its views are valid until answer(). Sleeps while there is none; nothing: the master wants no more.
  [[nodiscard]] virtual Result<std::optional<JobRequest>> next() = 0;
  // From here on the job may have effects: published before its first instruction.
  [[nodiscard]] virtual Result<void> entering() = 0;
  // Publishes the reply after all of its bytes.
  [[nodiscard]] virtual Result<void> answer(JobReply&& reply) = 0;

  // For a long command: the control socket became readable. True: the master wants the current request ended. Error (protocol):
  // the master is gone, so nobody waits for it.
  [[nodiscard]] virtual Result<bool> terminate_asked() = 0;
};

}  // namespace runner::ipc
