#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>

#include "bench/pool/sections.hpp"
#include "bench/pool/work.hpp"

namespace runner::bench {

namespace {

constexpr std::uint32_t kWorkers = 64;
constexpr auto kLook = std::chrono::seconds(3);

int sleep_for_ms(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
  return ms;
}

// What a process has used so far.
struct Used {
  double seconds = 0;   // of a processor
  double wake_ups = 0;  // how often it gave a processor up to wait

  Used& operator+=(const Used& other) {
    seconds += other.seconds;
    wake_ups += other.wake_ups;
    return *this;
  }
};

Used used_by(pid_t process) {
  clockid_t clock{};
  timespec time{};
  if (const int error = ::clock_getcpuclockid(process, &clock); error != 0) {
    throw std::system_error(error, std::generic_category(), "clock_getcpuclockid");
  }
  ::clock_gettime(clock, &time);
  Used used{.seconds = static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec)};
  std::ifstream status(fmt::format("/proc/{}/status", process));
  constexpr std::string_view key = "voluntary_ctxt_switches:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) used.wake_ups = std::stod(line.substr(key.size()));
  }
  return used;
}

Used used_by_all(const std::vector<pid_t>& processes) {
  Used sum;
  for (const pid_t process : processes) sum += used_by(process);
  return sum;
}

// The pool's workers, and the process that they were forked from.
std::vector<pid_t> children(const ProcessPool& pool) {
  std::vector<pid_t> all;
  for (const PoolWorker& worker : pool.workers()) all.push_back(worker.pid);
  std::ifstream(fmt::format("/proc/{0}/task/{0}/children", ::getpid())) >> all.emplace_back();
  return all;
}

}  // namespace

void idle(Table& table, const Scale&) {
  ProcessPool pool({.procs = kWorkers});
  expect_sum(pool.map(noop, first_numbers(100'000)), "map");  // all of them have been awake
  std::this_thread::sleep_for(std::chrono::milliseconds(300));

  // The master waits for one call that takes longer than we look, so it is in the place where it could wake without need.
  const std::vector<pid_t> others = children(pool);
  Used before, after;
  std::thread looker([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    before = used_by_all(others);
    before += used_by(::getpid());  // last, and first afterwards: what looking takes is not what we look for
    std::this_thread::sleep_for(kLook);
    after = used_by(::getpid());
    after += used_by_all(others);
  });
  const int slept = pool.submit(sleep_for_ms, 4000).get();
  looker.join();
  expect(slept == 4000, "a call that sleeps");

  const double share = (after.seconds - before.seconds) / std::chrono::duration<double>(kLook).count();
  const double wake_ups = after.wake_ups - before.wake_ups;
  table.judge("63 idle workers, one asleep, and the master", share, fmt::format("{:.3f} % of a core", 100 * share),
              at_most(0.01), "1 %");
  table.judge("  how often they woke, all together", wake_ups, fmt::format("{:.0f} times in 3 s", wake_ups), at_most(10), "10");
}

}  // namespace runner::bench
