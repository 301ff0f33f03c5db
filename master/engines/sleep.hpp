// sleep.hpp - sleeps until a descriptor is ready or a moment has come.
//
// Called from  the loop's thread.
// Fails with   system. A signal ends the sleep early and is no failure.
#pragma once

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <span>

#include <runner/result.hpp>
#include <runner/units.hpp>
#include "ipc/clock.hpp"
#include "ipc/os.hpp"

namespace runner::master {

// What ended without anybody being told (a queue that is kept full) is collected at the latest after this.
inline constexpr Duration kPatience = std::chrono::milliseconds(2);

// Negative descriptors are passed over. After a signal or at `until`, no `revents` is set.
[[nodiscard]] inline Result<void> sleep(std::span<pollfd> fds, TimePoint until) {
  timespec left{};
  if (const TimePoint at = now(); until > at && until != TimePoint::max()) {
    const std::int64_t ns = Duration(until - at).count();
    left = {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  }
  const timespec* limit = until == TimePoint::max() ? nullptr : &left;
  if (os::call("ppoll", ::ppoll, fds.data(), fds.size(), limit, nullptr) >= 0) return {};
  for (pollfd& fd : fds) fd.revents = 0;
  if (errno != EINTR) return os::failure("wait for jobs to end", "ppoll");
  return {};
}

}  // namespace runner::master
