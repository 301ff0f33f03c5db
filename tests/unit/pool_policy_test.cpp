// How many jobs a worker may hold, and what a person's Ctrl-C counts.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <set>
#include <thread>

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
