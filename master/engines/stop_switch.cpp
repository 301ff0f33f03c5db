#include "master/engines/stop_switch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "ipc/os.hpp"

namespace runner::master {

Result<void> StopSwitch::make_ready(bool with_fd) {
  if (pressed()) {
    stop_ = std::stop_source();
    insisted_.store(false, std::memory_order_relaxed);  // nobody else looks yet
    fd_.reset();
    end_.reset();
  }
  if (with_fd && !fd_) {
    std::array<int, 2> ends{};
    if (os::call("pipe2", ::pipe2, ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
      return os::failure("be able to stop a command", "pipe2");
    fd_.reset(ends[0]);
    end_.reset(ends[1]);
  }
  return {};
}

void StopSwitch::press() {
  if (!stop_.request_stop() || !fd_) return;
  // The pipe is empty, so there is room for one byte.
  static_cast<void>(os::retry("write", ::write, end_.get(), static_cast<const void*>("!"), std::size_t{1}));
}

void StopSwitch::insist() {
  insisted_.store(true, std::memory_order_release);  // read by who finds the other end gone
  end_.reset();
}

}  // namespace runner::master
