#include "master/wake_ups.hpp"

#include <sys/epoll.h>

#include "ipc/os.hpp"

namespace runner::master {

namespace {

Result<void> watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (os::call("epoll_ctl", ::epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return os::failure("wait for input", "epoll_ctl");
}

}  // namespace

Result<void> WakeUps::open(int interrupts) {
  epoll_.reset(os::call("epoll_create1", ::epoll_create1, EPOLL_CLOEXEC));
  if (!epoll_) return os::failure("wait for input", "epoll_create1");
  return interrupts < 0 ? Result<void>() : watch(epoll_.get(), interrupts);
}

Result<void> WakeUps::await(int input) {
  if (input == input_) return {};
  if (input_ >= 0) static_cast<void>(os::call("epoll_ctl", ::epoll_ctl, epoll_.get(), EPOLL_CTL_DEL, input_, nullptr));
  input_ = -1;
  if (input < 0) return {};
  if (Result<void> watched = watch(epoll_.get(), input); !watched) return watched;
  input_ = input;
  return {};
}

}  // namespace runner::master
