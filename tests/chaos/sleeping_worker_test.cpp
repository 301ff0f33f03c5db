// A worker is killed in its sleep, where a queue with a condition variable hangs for ever: the pool goes on as if nothing had been.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <runner/process_pool.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/silence.hpp"

namespace runner::chaos {
namespace {

std::uint64_t twice(std::uint64_t number) { return 2 * number; }

// Whether the kernel says that the process sleeps, as one that waits for work does.
bool sleeps(int pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  stat >> number >> name >> state;
  return state == "S";
}

int rounds() {
  const char* const asked = std::getenv("RUNNER_SOAK_ROUNDS");
  return asked != nullptr ? std::atoi(asked) : 20;
}

class ASleepingWorker : public testing::TestWithParam<PoolTransport> {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }
  void TearDown() override { ::signal(SIGPIPE, SIG_DFL); }
  Silence silence_;
};
INSTANTIATE_TEST_SUITE_P(Over, ASleepingWorker, testing::Values(PoolTransport::shm, PoolTransport::pipe),
                         [](const auto& way) { return way.param == PoolTransport::shm ? "shm" : "pipe"; });

void kill_in_sleep(int pid) {
  while (!sleeps(pid)) std::this_thread::sleep_for(std::chrono::microseconds(100));
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
}

TEST_P(ASleepingWorker, IsKilledAndAHundredThousandJobsRun) {
  std::vector<std::uint64_t> numbers(99'900);
  std::iota(numbers.begin(), numbers.end(), 0U);
  ProcessPool pool({.procs = 2, .transport = GetParam()});
  for (int round = 0; round < rounds(); ++round) {
    const std::vector<PoolWorker> workers = pool.workers();
    kill_in_sleep(workers[static_cast<std::size_t>(round) % workers.size()].pid);
    // Nobody has noticed the death yet, and some of these go to the dead.
    std::vector<Future<std::uint64_t>> calls;
    for (std::uint64_t i = 0; i < 100; ++i) calls.push_back(pool.submit(&twice, i));
    for (std::uint64_t i = 0; i < 100; ++i) ASSERT_EQ(calls[i].get(), 2 * i);
    const std::vector<std::uint64_t> doubled = pool.map(&twice, numbers);
    for (std::size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(doubled[i], 2 * i);
  }
}

TEST_P(ASleepingWorker, MayBeKilledAnyNumberOfTimesAsLongAsEachHadDoneSomething) {
  ProcessPool pool({.procs = 1, .transport = GetParam()});
  for (std::uint64_t round = 0; round < 25; ++round) {
    ASSERT_EQ(pool.submit(&twice, round).get(), 2 * round);
    ASSERT_EQ(pool.workers()[0].replaced, round);
    kill_in_sleep(pool.workers()[0].pid);
  }
}

TEST_P(ASleepingWorker, LeavesNothingBehindWhenAllAreKilledAndThePoolEnds) {
  ProcessPool pool({.procs = 3, .transport = GetParam()});
  for (const PoolWorker& worker : pool.workers()) kill_in_sleep(worker.pid);
}

}  // namespace
}  // namespace runner::chaos
