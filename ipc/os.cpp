#include "ipc/os.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "runner/units.hpp"

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

namespace {

constexpr const char* kPipes = ", or use pipes in its place (--transport pipe)";

std::optional<rlim_t> limit_of(__rlimit_resource resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

// "RLIMIT_NOFILE (20)"
std::string named(const char* name, __rlimit_resource resource) {
  const std::optional<rlim_t> limit = limit_of(resource);
  return limit ? std::string(name) + " (" + std::to_string(*limit) + ")" : name;
}

std::string advice(std::string_view call, int error) {
  const bool memfd = call == "memfd_create";
  switch (error) {
    case EMFILE:
      return named("RLIMIT_NOFILE", RLIMIT_NOFILE) + " is too low: raise it with `ulimit -n`, or use fewer workers (--procs)";
    case ETOOMANYREFS:
      return "too many descriptors are on their way to workers for " + named("RLIMIT_NOFILE", RLIMIT_NOFILE) +
             ": raise it with `ulimit -n`, or use fewer workers (--procs)";
    case ENFILE: return "the system-wide limit is reached: raise the sysctl fs.file-max";
    case ENOMEM:
      if (limit_of(RLIMIT_AS)) {
        return named("RLIMIT_AS", RLIMIT_AS) +
               " or the cgroup's memory.max is used up: raise it (`ulimit -v`), or use fewer workers (--procs)";
      }
      return "the machine's memory or the cgroup's memory.max is used up: raise it, or use fewer workers (--procs)";
    case EAGAIN:
      return named("RLIMIT_NPROC", RLIMIT_NPROC) +
             " or the cgroup's pids.max is reached: raise it (`ulimit -u`), or use fewer workers (--procs)";
    case ENOSPC: return "the disk or file system is full: free some space, or write elsewhere";
    case EFBIG:
      return named("RLIMIT_FSIZE", RLIMIT_FSIZE) + " is too low: raise it with `ulimit -f`" +
             (call == "ftruncate" ? kPipes : "");
    case ENOSYS:
      return std::string("the kernel or a sandbox does not know this call: use Linux 5.11 or later") + (memfd ? kPipes : "");
    case EPERM:
    case EACCES:
      return memfd ? std::string("a sandbox or the sysctl vm.memfd_noexec forbids it: allow it") + kPipes : std::string();
    default: return {};
  }
}

}  // namespace

std::string describe(std::string_view doing, std::string_view call, int error) {
  const std::string text = "cannot " + std::string(doing) + ": " + std::string(call) + ": " + ::strerror(error);
  const std::string more = advice(call, error);
  return more.empty() ? text : text + " (" + more + ")";
}

tl::unexpected<Error> failure(std::string_view doing, std::string_view call, int error) {
  return fail(ErrorCode::system, describe(doing, call, error));
}

}  // namespace runner::os
