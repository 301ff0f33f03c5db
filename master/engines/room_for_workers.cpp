#include "master/engines/room_for_workers.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

#include "ipc/os.hpp"

namespace runner::master {

namespace {

// Of ours for each worker: control socket and pidfd; channel, replies and doorbell, or three ends of pipes.
constexpr std::uint64_t kDescriptorsEach = 5;
// For all of them together, and for what is on its way to the one that starts or comes from one that answers.
constexpr std::uint64_t kDescriptorsBeside = 10;
// What the smallest process takes that can run a job: pages it has written, its stack, the kernel's own for it.
constexpr std::uint64_t kPrivateEach = std::uint64_t{512} << 10;

std::string workers(std::uint32_t procs) {
  return std::to_string(procs) + (procs == 1 ? " worker process needs " : " worker processes need ");
}

}  // namespace

Result<void> enough_descriptors(std::uint32_t procs, std::uint64_t open, std::uint64_t limit) {
  const std::uint64_t others = open + kDescriptorsBeside, needed = others + procs * kDescriptorsEach;
  if (limit >= needed) return {};
  const std::uint64_t possible = (std::max(limit, others) - others) / kDescriptorsEach;
  return fail(ErrorCode::system, workers(procs) + std::to_string(needed) + " open files, and RLIMIT_NOFILE is " +
                                     std::to_string(limit) + ": raise it with `ulimit -n`" +
                                     (possible == 0 ? "" : ", or use at most " + std::to_string(possible) + " (--procs)"));
}

void allow_descriptors(std::uint32_t procs, std::uint32_t shared) {
  rlimit limit{};
  if (os::call("getrlimit", [&] { return ::getrlimit(RLIMIT_NOFILE, &limit); }) != 0) return;
  const rlim_t wanted = 64 + shared + (rlim_t{8} + shared) * procs;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  // If it is refused, the worker that is one too many gets the message.
  static_cast<void>(os::call("setrlimit", [&] { return ::setrlimit(RLIMIT_NOFILE, &limit); }));
}

Result<void> enough_descriptors(std::uint32_t procs) {
  rlimit limit{};
  if (os::call("getrlimit", [&] { return ::getrlimit(RLIMIT_NOFILE, &limit); }) != 0) return {};
  std::error_code unknown;
  std::uint64_t open = 0;
  for (std::filesystem::directory_iterator fd("/proc/self/fd", unknown), end; !unknown && fd != end; fd.increment(unknown)) {
    ++open;
  }
  return enough_descriptors(procs, open, limit.rlim_cur);
}

Result<void> enough_memory(std::uint32_t procs, Bytes shared_once, Bytes shared_each, std::optional<Bytes> limit) {
  const std::uint64_t needed = shared_once.count + procs * (shared_each.count + kPrivateEach);
  if (!limit || needed <= limit->count) return {};
  return fail(ErrorCode::system, workers(procs) + "at least " + format_size({needed}) +
                                     " of memory, and the cgroup's memory.max is " + format_size(*limit) +
                                     ": raise it, or use fewer workers (--procs)");
}

}  // namespace runner::master
