// A call that takes its process down costs that call and nothing else.
#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <poll.h>
#include <ranges>
#include <string>
#include <vector>

#include "tests/pool/pools.hpp"

namespace runner {
namespace {

class Crashes : public PoolTest {};
INSTANTIATE_TEST_SUITE_P(With, Crashes, all_pools(), over_name);

void die_of(int signal) {
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}
int crash_at_500(int x) {
  if (x == 500) die_of(SIGSEGV);
  return x + 1;
}

TEST_P(Crashes, OfOneItemInAChunkAreChargedToThatItem) {
  // Twice: when nothing is known of the function, and in full chunks.
  for (int round = 0; round < 2; ++round) {
    const auto outcomes = pool().map_outcomes(crash_at_500, std::views::iota(0, 1'000));
    for (int i = 0; i < 1'000; ++i) {
      const auto& outcome = outcomes[static_cast<std::size_t>(i)];
      if (i == 500) {
        EXPECT_EQ(crash_of(outcome), SIGSEGV);
        EXPECT_STREQ(outcome.error().what(), "crashed: SIGSEGV");
        EXPECT_EQ(outcome.error().item(), 500U);
      } else {
        ASSERT_TRUE(outcome.has_value()) << i << ": " << outcome.error().what();
        ASSERT_EQ(*outcome, i + 1);
      }
    }
  }
}

TEST_P(Crashes, RunNoItemTwiceButTheOnesThatWereNotEntered) {
  const SeenByAll<std::atomic<int>[1'000]> entered;
  static std::atomic<int>* runs = nullptr;
  runs = *entered;
  const auto outcomes = pool().map_outcomes(
      [](int x) {
        ++runs[x];
        if (x % 97 == 13) die_of(SIGABRT);
        return x;
      },
      std::views::iota(0, 1'000));
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(crash_of(outcomes[static_cast<std::size_t>(i)]), i % 97 == 13 ? SIGABRT : -1) << i;
    EXPECT_EQ(runs[i], 1) << i;
  }
}

TEST_P(Crashes, TellOfEverySignal) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGKILL, SIGTRAP}) {
    EXPECT_EQ(crash_of(pool().submit(die_of, signal).outcome()), signal);
  }
}

TEST_P(Crashes, IncludeLeavingTheProgram) {
  const auto outcome = pool().submit(::_exit, 3).outcome();
  EXPECT_EQ(crash_of(outcome), 0);
  EXPECT_STREQ(outcome.error().what(), "crashed: its worker left with exit status 3");
  EXPECT_EQ(crash_of(pool().submit(::exit, 0).outcome()), 0) << "with a good status too: there is no answer";
}

TEST_P(Crashes, AreNotTheEndHoweverManyFollowEachOther) {
  for (int i = 0; i < 40; ++i) EXPECT_EQ(crash_of(pool().submit(die_of, SIGKILL).outcome()), SIGKILL);
  EXPECT_EQ(pool().submit(crash_at_500, 1).get(), 2);
  const auto outcomes = pool().map_outcomes(die_of, std::vector<int>(50, SIGSEGV));
  for (const auto& outcome : outcomes) EXPECT_EQ(crash_of(outcome), SIGSEGV);
  std::uint64_t replaced = 0;
  for (const PoolWorker& worker : pool().workers()) replaced += worker.replaced;
  EXPECT_EQ(replaced, 90U);
}

TEST_P(Crashes, LeaveWhatWasFinishedOrNotBegunBesideThemAlone) {
  std::vector<Future<int>> futures;
  for (int i = 0; i < 1'000; ++i) futures.push_back(pool().submit(crash_at_500, i));
  for (int i = 0; i < 1'000; ++i) {
    const auto outcome = futures[static_cast<std::size_t>(i)].outcome();
    if (i == 500) {
      EXPECT_EQ(crash_of(outcome), SIGSEGV);
    } else {
      ASSERT_TRUE(outcome.has_value()) << i << ": " << outcome.error().what();
      ASSERT_EQ(*outcome, i + 1);
    }
  }
}

TEST_P(Crashes, OfAnIdleWorkerCostNothingAndItIsReplaced) {
  ASSERT_EQ(pool().submit(crash_at_500, 1).get(), 2);
  // More often than a pool would put up with workers that cannot live: these had no chance.
  for (int round = 0; round < 12; ++round) {
    for (const PoolWorker& worker : pool().workers()) ASSERT_EQ(::kill(worker.pid, SIGKILL), 0);
    const auto results = pool().map(crash_at_500, std::views::iota(0, 100));
    ASSERT_EQ(results[99], 100);
  }
}

TEST_P(Crashes, OfACallWhoseForkedChildLivesOnAreNoticedAllTheSame) {
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  static int wait_at = -1, keep_open = -1;
  wait_at = gate[0];
  keep_open = gate[1];
  // The child stays until nobody can open the gate any more: when this test closes it.
  const auto leave_a_child = [](bool crash) {
    const pid_t child = ::fork();
    if (child == 0) {
      char byte = 0;
      ::close(keep_open);
      while (::read(wait_at, &byte, 1) < 0) {
      }
      ::_exit(0);
    }
    if (crash) die_of(SIGSEGV);
    return child;
  };
  const pid_t child = pool().submit(leave_a_child, false).get();
  EXPECT_EQ(crash_of(pool().submit(leave_a_child, true).outcome()), SIGSEGV);
  EXPECT_EQ(pool().submit(crash_at_500, 1).get(), 2);
  destroy();
  EXPECT_EQ(Silence::segments(), 0U) << "nothing waits for it";
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  ::close(gate[1]);
  ::close(gate[0]);
  pollfd gone{pidfd, POLLIN, 0};
  if (pidfd >= 0) {
    EXPECT_EQ(::poll(&gone, 1, 60'000), 1);
    ::close(pidfd);
  }
}

}  // namespace
}  // namespace runner
