// loop_command.hpp - a command watched by an event loop: what it writes is read, and its end is told, without blocking.
//
// Asio only watches: the descriptors are the Command's own, which closes them. So the loop lets go of a pipe each time before
// the Command reads from it, as that read may find the end of the file and close it.
//
// Called from  the loop's thread.
// Owns         the command (ended with the object), the timer of its grace.
// Fails with   start: the text for the outcome of the job.
// Call order   start stop? -> ended ; or abandon
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include <runner/result.hpp>
#include "worker/executor.hpp"

namespace runner::master {

class LoopCommand : public std::enable_shared_from_this<LoopCommand> {
 public:
  using Ended = std::function<void(Outcome outcome)>;

  // `ended` is called once, from the loop, unless the command is abandoned before.
  [[nodiscard]] static Result<std::shared_ptr<LoopCommand>> start(boost::asio::io_context& loop, const CommandWork& work,
                                                                  Ended ended);
  ~LoopCommand();
  LoopCommand(const LoopCommand&) = delete;
  LoopCommand& operator=(const LoopCommand&) = delete;

  // TERM to its group, KILL after its kill_after.
  void stop();
  // Ends it now and tells nobody.
  void abandon();

 private:
  using Descriptor = boost::asio::posix::stream_descriptor;
  using Awaitable = boost::asio::awaitable<void>;

  LoopCommand(boost::asio::io_context& loop, std::unique_ptr<worker::Command> command, Ended ended);
  [[nodiscard]] static Awaitable await_end(std::shared_ptr<LoopCommand> self);
  [[nodiscard]] static Awaitable read_all(std::shared_ptr<LoopCommand> self, Descriptor& pipe,
                                          int (worker::Command::*fd)() const, void (worker::Command::*read)());
  void let_go();
  void look_later();

  std::unique_ptr<worker::Command> command_;  // null once ended or abandoned
  Ended ended_;
  Descriptor exit_, out_, err_;
  boost::asio::steady_timer grace_, look_;
};

}  // namespace runner::master
