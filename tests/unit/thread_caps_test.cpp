// How many threads the libraries of a job may start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "ipc/thread_caps.hpp"

namespace runner::ipc {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

class Caps : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kThreadCaps) ::unsetenv(name);
    ::unsetenv(kMark);
  }
  void TearDown() override { SetUp(); }
};

TEST_F(Caps, AreSetUnlessTheUserHasDoneThat) {
  ::setenv("MKL_NUM_THREADS", "7", 1);
  const ThreadCaps caps = ThreadCaps::plan(2);
  EXPECT_THAT(caps.theirs, ElementsAre("MKL_NUM_THREADS"));
  EXPECT_THAT(caps.ours, Not(Contains("MKL_NUM_THREADS")));
  ASSERT_TRUE(caps.set());
  EXPECT_STREQ(std::getenv("OMP_NUM_THREADS"), "2");
  EXPECT_STREQ(std::getenv("TBB_NUM_THREADS"), "2");
  EXPECT_STREQ(std::getenv("MKL_NUM_THREADS"), "7");
}

TEST_F(Caps, AreKnownAgainByTheirMark) {
  ::setenv("OMP_NUM_THREADS", "1", 1);
  const ThreadCaps caps = ThreadCaps::plan(3);
  ASSERT_TRUE(caps.set());
  const ThreadCaps again = ThreadCaps::of(std::getenv(kMark));
  EXPECT_EQ(again.threads, 3U);
  EXPECT_EQ(again.ours, caps.ours);
  EXPECT_THAT(ThreadCaps::of("").ours, IsEmpty());
  EXPECT_THAT(ThreadCaps::of("2").ours, IsEmpty());
  EXPECT_THAT(ThreadCaps::of("no number:A").ours, IsEmpty());
  EXPECT_THAT(ThreadCaps::of("2:A,B").ours, ElementsAre("A", "B"));
}

}  // namespace
}  // namespace runner::ipc
