#include "master/niceness.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "ipc/os.hpp"

namespace runner::master {

Result<void> be_nice(pid_t pid, int nice) {
  if (os::call("setpriority", [&] { return ::setpriority(PRIO_PROCESS, static_cast<id_t>(pid), nice); }) == 0) return {};
  if (errno == ESRCH) return {};  // it is dead, which is noticed elsewhere
  return fail(ErrorCode::usage, "--nice " + std::to_string(nice) + " is not allowed here: " + std::strerror(errno) +
                                    " (below 0, or below what this process has, takes RLIMIT_NICE or privilege)");
}

}  // namespace runner::master
