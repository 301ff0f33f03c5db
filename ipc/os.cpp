#include "ipc/os.hpp"

#include <signal.h>
#include <unistd.h>

#include <cstring>

namespace runner::os {

namespace faults {

std::atomic<bool> armed{false};

namespace {
Plan plan;
std::atomic<std::uint64_t> count{0};
}  // namespace

void arm(const Plan& wanted) {
  armed.store(false, std::memory_order_seq_cst);
  plan = wanted;
  count.store(0, std::memory_order_relaxed);
  armed.store(true, std::memory_order_seq_cst);
}

void disarm() { armed.store(false, std::memory_order_seq_cst); }

std::uint64_t seen() { return count.load(std::memory_order_relaxed); }

bool strikes(const char* name) {
  if (plan.signal != 0 || (!plan.only.empty() && plan.only != name)) return false;
  if (count.fetch_add(1, std::memory_order_relaxed) + 1 != plan.nth) return false;
  errno = plan.error;
  return true;
}

void pass(const char* name) {
  if (plan.signal == 0 || plan.only != name) return;
  if (count.fetch_add(1, std::memory_order_relaxed) + 1 == plan.nth) ::kill(::getpid(), plan.signal);
}

}  // namespace faults

std::string describe(std::string_view doing, std::string_view call, int error) {
  std::string text = "cannot " + std::string(doing) + ": " + std::string(call) + ": " + ::strerror(error);
  switch (error) {
    case EMFILE: return text + " (RLIMIT_NOFILE is too low: raise it with `ulimit -n`, or use fewer --procs)";
    case ENFILE: return text + " (the system-wide limit is reached: raise the sysctl fs.file-max)";
    case ENOMEM: return text + " (memory, RLIMIT_AS or the cgroup's memory.max is used up: use fewer --procs, or raise it)";
    case EAGAIN:
      return text + " (RLIMIT_NPROC or the cgroup's pids.max is reached: raise it with `ulimit -u`, or use fewer --procs)";
    case ENOSPC: return text + " (the disk or file system is full: free some space, or write elsewhere)";
    default: return text;
  }
}

tl::unexpected<Error> failure(std::string_view doing, std::string_view call, int error) {
  return fail(ErrorCode::system, describe(doing, call, error));
}

}  // namespace runner::os
