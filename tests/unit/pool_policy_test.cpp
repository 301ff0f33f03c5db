// How many jobs a worker may hold, on which processor it sits, and what a person's Ctrl-C counts.
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <set>
#include <thread>

#include "master/engines/binding.hpp"
#include "master/engines/prefetch.hpp"
#include "master/interrupts.hpp"
#include "tests/silence.hpp"

namespace runner::master {
namespace {

using namespace std::chrono_literals;

TEST(Prefetch, TakesAnUnknownKindToBeLong) {
  const Prefetch prefetch;
  EXPECT_EQ(prefetch.expected("new"), Prefetch::kWindow);
  EXPECT_EQ(Prefetch::more(0, 0ns, prefetch.expected("new")), 1U);
  EXPECT_EQ(Prefetch::more(1, Prefetch::kWindow, prefetch.expected("new")), 0U);
}

TEST(Prefetch, LearnsEachKindByItself) {
  Prefetch prefetch;
  for (int i = 0; i < 100; ++i) prefetch.learn("short", 10us);
  prefetch.learn("long", 10s);
  EXPECT_EQ(prefetch.expected("short"), 10us);
  EXPECT_EQ(prefetch.expected("long"), 10s);
  EXPECT_EQ(prefetch.expected("new"), Prefetch::kWindow);
}

TEST(Prefetch, FollowsAKindThatChanges) {
  Prefetch prefetch;
  prefetch.learn("kind", 1ms);
  for (int i = 0; i < 100; ++i) prefetch.learn("kind", 10us);
  EXPECT_LT(prefetch.expected("kind"), 11us);
  EXPECT_GE(prefetch.expected("kind"), 10us);
}

TEST(Prefetch, FillsAWindowOfShortJobsAndNeverQueuesALongOne) {
  EXPECT_EQ(Prefetch::more(0, 0ns, 10us), 50U);
  EXPECT_EQ(Prefetch::more(10, 100us, 10us), 40U);
  EXPECT_EQ(Prefetch::more(50, 500us, 10us), 0U);
  EXPECT_EQ(Prefetch::more(0, 0ns, 10s), 1U) << "an idle worker always gets one";
  EXPECT_EQ(Prefetch::more(1, 10s, 10s), 0U);
  EXPECT_EQ(Prefetch::more(1, 10us, 10s), 0U);
}

TEST(Prefetch, DoesNotDivideByAJobThatTookNoTime) {
  Prefetch prefetch;
  for (int i = 0; i < 100; ++i) prefetch.learn("noop", 0ns);
  EXPECT_GT(prefetch.expected("noop"), 0ns);
  EXPECT_LE(Prefetch::more(0, 0ns, prefetch.expected("noop")), 1000U);
}

TEST(Binding, GivesEachWorkerAProcessorOfItsOwnThatThisProcessMayUse) {
  const Silence silence;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  const std::vector<int> plan = plan_cores(1);
  for (const int processor : plan) EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(processor), &allowed));
  const std::vector<int> all = plan_cores(static_cast<std::uint32_t>(CPU_COUNT(&allowed)));
  EXPECT_EQ(std::set<int>(all.begin(), all.end()).size(), all.size());
}

TEST(Binding, OfMoreWorkersThanProcessorsBindsNobody) { EXPECT_TRUE(plan_cores(100'000).empty()); }

TEST(Binding, MovesAProcessToItsProcessor) {
  const Silence silence;
  const std::vector<int> plan = plan_cores(1);
  if (plan.empty()) GTEST_SKIP() << "the topology of this machine cannot be read";
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const Result<void> bound = bind_process(child, plan.front());
  EXPECT_TRUE(bound.has_value());
  cpu_set_t now;
  CPU_ZERO(&now);
  EXPECT_EQ(::sched_getaffinity(child, sizeof now, &now), 0);
  EXPECT_EQ(CPU_COUNT(&now), 1);
  EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(plan.front()), &now));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(bind_process(child, plan.front()).has_value()) << "there is no such process any more";
}

bool readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

TEST(Interrupts, CountEachCtrlC) {
  const Silence silence;
  const Result<std::unique_ptr<Interrupts>> interrupts = Interrupts::install();
  ASSERT_TRUE(interrupts.has_value());
  EXPECT_FALSE(readable((*interrupts)->fd()));
  EXPECT_EQ((*interrupts)->count(), 0U);
  ::raise(SIGINT);
  EXPECT_TRUE(readable((*interrupts)->fd()));
  EXPECT_EQ((*interrupts)->so_far(), 1U);
  EXPECT_TRUE(readable((*interrupts)->fd())) << "so_far() leaves the descriptor as it is";
  EXPECT_EQ((*interrupts)->count(), 1U);
  EXPECT_FALSE(readable((*interrupts)->fd()));
  ::raise(SIGINT);
  ::raise(SIGINT);
  EXPECT_EQ((*interrupts)->count(), 3U);
}

TEST(Interrupts, TakeSigtermForTheSecondCtrlCAtLeast) {
  const Silence silence;
  const Result<std::unique_ptr<Interrupts>> interrupts = Interrupts::install();
  ASSERT_TRUE(interrupts.has_value());
  ::raise(SIGTERM);
  EXPECT_EQ((*interrupts)->count(), 2U);
  ::raise(SIGTERM);
  EXPECT_EQ((*interrupts)->count(), 2U) << "sent to the process and to its group, it is one wish";
  ::raise(SIGINT);
  EXPECT_EQ((*interrupts)->count(), 3U);
}

TEST(Interrupts, GiveTheSignalsBackWhenTheyEnd) {
  const Silence silence;
  {
    const Result<std::unique_ptr<Interrupts>> interrupts = Interrupts::install();
    ASSERT_TRUE(interrupts.has_value());
  }
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now{};
    ASSERT_EQ(::sigaction(signal, nullptr, &now), 0);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
  }
}

}  // namespace
}  // namespace runner::master
