#include "master/engines/stop_switch.hpp"

#include <sys/eventfd.h>

#include <cstdint>

#include "ipc/os.hpp"

namespace runner::master {

Result<void> StopSwitch::make_ready(bool with_fd) {
  if (pressed()) {
    stop_ = std::stop_source();
    fd_.reset();
  }
  if (with_fd && !fd_) {
    fd_.reset(os::call("eventfd", ::eventfd, 0U, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd_) return os::failure("be able to stop a command", "eventfd");
  }
  return {};
}

void StopSwitch::press() {
  if (!stop_.request_stop() || !fd_) return;
  const std::uint64_t one = 1;
  // The counter is at zero, so there is room for one.
  static_cast<void>(os::retry("write", ::write, fd_.get(), static_cast<const void*>(&one), sizeof one));
}

}  // namespace runner::master
