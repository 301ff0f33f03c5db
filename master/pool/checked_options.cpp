#include "master/pool/checked_options.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "ipc/inheritance.hpp"
#include "master/usable_cpus.hpp"

namespace runner {

namespace {

constexpr std::uint32_t kDeepest = 1U << 16;
constexpr Bytes kFewestResults{std::uint64_t{4} << 10}, kMostResults{std::uint64_t{64} << 30};

std::size_t threads() {
  std::error_code unknown;
  std::size_t count = 0;
  for (auto task = std::filesystem::directory_iterator("/proc/self/task", unknown);
       !unknown && task != std::filesystem::directory_iterator(); task.increment(unknown)) {
    ++count;
  }
  return count;
}

// A thread that was joined a moment ago is still counted until the kernel has put it away.
std::size_t threads_that_stay() {
  std::size_t found = threads();
  for (int look = 0; found > 1 && look < 100; ++look) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    found = threads();
  }
  return found;
}

}  // namespace

master::ProcessOptions process_options(const PoolOptions& options, const ipc::SharedState& shared) {
  return {.procs = options.procs,
          .transport = options.transport == PoolTransport::shm ? ipc::Transport::shm : ipc::Transport::pipe,
          .start = master::StartMethod::fork,
          .bind = options.bind == PoolBind::core ? master::Bind::core : master::Bind::none,
          .cpus = master::usable_cpus(),
          .worker_program = {},
          .geometry = {options.depth, options.results.count, options.memfd_from.count},
          .max_result = options.max_result.count,
          .shared = &shared};
}

ipc::SharedState made(const std::vector<SharedSpec>& shared) {
  for (const SharedSpec& one : shared) {
    if (!is_shared_name(one.name)) {
      throw PoolError("`" + one.name + "` in PoolOptions::shared is no name: use 1 to " + std::to_string(kLongestSharedName) +
                      " letters, digits, `_`, `-` and `.`");
    }
    if (std::count_if(shared.begin(), shared.end(), [&](const SharedSpec& other) { return other.name == one.name; }) > 1) {
      throw PoolError("`" + one.name + "` stands twice in PoolOptions::shared");
    }
  }
  Result<ipc::SharedState> state = ipc::SharedState::create(shared);
  if (!state) throw PoolError("cannot make what a pool shares: " + state.error().text);
  return std::move(*state);
}

PoolOptions checked(PoolOptions options) {
  ipc::fill_standard_streams();
  if (options.procs == 0) options.procs = std::min(master::usable_cpus().count, master::kMostProcs);
  if (options.depth < 2 || options.depth > kDeepest || (options.depth & (options.depth - 1)) != 0) {
    throw PoolError("PoolOptions::depth must be a power of two from 2 to " + std::to_string(kDeepest) + ", found " +
                    std::to_string(options.depth));
  }
  if (options.results < kFewestResults || options.results > kMostResults) {
    throw PoolError("PoolOptions::results must be from " + format_size(kFewestResults) + " to " + format_size(kMostResults) +
                    ", found " + format_size(options.results));
  }
  if (options.max_result.count == 0) throw PoolError("a PoolOptions::max_result of 0 would fail every call that has a result");
  if (const std::size_t found = threads_that_stay(); found > 1) {
    throw PoolError("this program has " + std::to_string(found) +
                    " threads, and a process with threads cannot be forked safely: make the pool before they start");
  }
  return options;
}

}  // namespace runner
