#include "master/engines/loop_command.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace runner::master {

namespace asio = boost::asio;
using asio::posix::descriptor_base;
using boost::system::error_code;

Result<std::shared_ptr<LoopCommand>> LoopCommand::start(asio::io_context& loop, const CommandWork& work, Ended ended) {
  Result<std::unique_ptr<worker::Command>> command = worker::Command::start(work);
  if (!command) return tl::unexpected(command.error());
  std::shared_ptr<LoopCommand> self(new LoopCommand(loop, std::move(*command), std::move(ended)));
  asio::co_spawn(loop, await_end(self), asio::detached);
  asio::co_spawn(loop, read_all(self, self->out_, &worker::Command::out_fd, &worker::Command::read_out), asio::detached);
  asio::co_spawn(loop, read_all(self, self->err_, &worker::Command::err_fd, &worker::Command::read_err), asio::detached);
  self->look_later();
  return self;
}

// At its memory, where that is limited.
void LoopCommand::look_later() {
  const std::optional<Duration> interval = command_->look_interval();
  if (!interval) return;
  look_.expires_after(*interval);
  look_.async_wait([self = shared_from_this()](const error_code& error) {
    if (error || !self->command_) return;
    self->command_->look();
    self->look_later();
  });
}

LoopCommand::LoopCommand(asio::io_context& loop, std::unique_ptr<worker::Command> command, Ended ended)
    : command_(std::move(command)), ended_(std::move(ended)), exit_(loop), out_(loop), err_(loop), grace_(loop), look_(loop) {}

LoopCommand::~LoopCommand() { let_go(); }

LoopCommand::Awaitable LoopCommand::await_end(std::shared_ptr<LoopCommand> self) {
  error_code error;
  if (!self->command_) co_return;
  self->exit_.assign(self->command_->exit_fd(), error);
  if (!error) co_await self->exit_.async_wait(descriptor_base::wait_read, asio::redirect_error(asio::use_awaitable, error));
  if (!self->command_) co_return;  // abandoned
  // What cannot be watched is ended, lest the loop blocks until it ends by itself.
  if (error) self->command_->kill();
  self->grace_.cancel();
  self->look_.cancel();
  self->let_go();
  Outcome outcome = self->command_->outcome();
  self->command_.reset();
  self->ended_(std::move(outcome));
}

LoopCommand::Awaitable LoopCommand::read_all(std::shared_ptr<LoopCommand> self, Descriptor& pipe,
                                             int (worker::Command::*fd)() const, void (worker::Command::*read)()) {
  while (self->command_ && (*self->command_.*fd)() >= 0) {
    error_code error;
    pipe.assign((*self->command_.*fd)(), error);
    if (!error) co_await pipe.async_wait(descriptor_base::wait_read, asio::redirect_error(asio::use_awaitable, error));
    if (!self->command_) co_return;
    if (error) {
      self->command_->kill();  // its output would be lost, or would block it
      co_return;
    }
    pipe.release();
    (*self->command_.*read)();
  }
}

void LoopCommand::stop() {
  if (!command_) return;
  command_->terminate();
  grace_.expires_after(command_->kill_after());
  grace_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error && self->command_) self->command_->kill();
  });
}

void LoopCommand::abandon() {
  grace_.cancel();
  look_.cancel();
  let_go();
  command_.reset();
}

void LoopCommand::let_go() {
  for (Descriptor* descriptor : {&exit_, &out_, &err_}) {
    if (descriptor->is_open()) descriptor->release();
  }
}

}  // namespace runner::master
