// The seam of system calls, and the sentences made of their errors.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "ipc/os.hpp"

namespace runner::os {
namespace {

using testing::HasSubstr;
using testing::Not;

int succeed() { return 7; }
volatile sig_atomic_t signals = 0;

TEST(Seam, LetsEveryCallPassWhileNoFaultIsArmed) {
  faults::disarm();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(call("succeed", succeed), 7);
}

TEST(Seam, FailsExactlyTheNthCall) {
  faults::arm({.nth = 3, .error = ENOSPC});
  EXPECT_EQ(call("succeed", succeed), 7);
  EXPECT_EQ(call("other", succeed), 7);
  errno = 0;
  EXPECT_EQ(call("succeed", succeed), -1);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_EQ(call("succeed", succeed), 7);
  EXPECT_EQ(faults::seen(), 4U);
  faults::disarm();
}

TEST(Seam, CountsOnlyTheCallsThatAreMeant) {
  faults::arm({.nth = 2, .error = EIO, .only = "read"});
  EXPECT_EQ(call("write", succeed), 7);
  EXPECT_EQ(call("read", succeed), 7);
  EXPECT_EQ(call("write", succeed), 7);
  EXPECT_EQ(call("read", succeed), -1);
  EXPECT_EQ(faults::seen(), 2U);
  faults::disarm();
}

TEST(Seam, TriesAgainWhatASignalInterrupted) {
  faults::arm({.nth = 1, .error = EINTR});
  EXPECT_EQ(retry("succeed", succeed), 7);
  EXPECT_EQ(faults::seen(), 2U);
  faults::arm({.nth = 1, .error = EIO});
  EXPECT_EQ(retry("succeed", succeed), -1);
  EXPECT_EQ(faults::seen(), 1U);
  faults::disarm();
}

TEST(Seam, NamesTheLimitWithItsValue) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 97;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(
      describe("make a pipe", "pipe2", EMFILE),
      "cannot make a pipe: pipe2: Too many open files (RLIMIT_NOFILE (97) is too low: raise it with `ulimit -n`, or use fewer "
      "workers (--procs))");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(Seam, KillsAtTheNthPassingOfThePointThatIsMeant) {
  ::signal(SIGUSR1, [](int) { signals = signals + 1; });
  faults::arm({.nth = 2, .only = "here", .signal = SIGUSR1});
  point("here");
  point("there");
  EXPECT_EQ(signals, 0);
  point("here");
  EXPECT_EQ(signals, 1);
  point("here");
  EXPECT_EQ(signals, 1);
  EXPECT_EQ(faults::seen(), 3U);
  faults::disarm();
  point("here");
  EXPECT_EQ(faults::seen(), 3U);
  ::signal(SIGUSR1, SIG_DFL);
}

TEST(Seam, FailsNoCallWhereItIsToKillAndCountsNoPointWhereItIsToFail) {
  faults::arm({.nth = 1, .only = "here", .signal = SIGKILL});
  EXPECT_EQ(call("here", succeed), 7);
  faults::arm({.nth = 1, .error = EIO});
  point("here");
  EXPECT_EQ(faults::seen(), 0U);
  EXPECT_EQ(call("here", succeed), -1);
  faults::disarm();
}

TEST(Seam, MakesASentenceOfErrnoWithAdviceForALimit) {
  EXPECT_EQ(describe("make a pipe", "pipe2", EPERM), "cannot make a pipe: pipe2: Operation not permitted");
  EXPECT_THAT(describe("x", "y", ENOMEM), HasSubstr("memory.max"));
  EXPECT_THAT(describe("x", "y", EAGAIN), HasSubstr("pids.max"));
  EXPECT_THAT(describe("x", "y", ENOSPC), HasSubstr("full"));
  EXPECT_THAT(describe("x", "y", ENOSYS), HasSubstr("Linux 5.11 or later"));
  for (const int forbidden : {ENOSYS, EPERM, EACCES}) {
    EXPECT_THAT(describe("x", "memfd_create", forbidden), HasSubstr("--transport pipe"));
    EXPECT_THAT(describe("x", "clone", forbidden), Not(HasSubstr("--transport pipe")));
  }
  EXPECT_EQ(failure("x", "y", EIO).value().code, ErrorCode::system);
}

}  // namespace
}  // namespace runner::os
