// A process pool that is allowed too little: PoolError with the sentence that the program would have said; never a signal or a hang.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/integration/limits.hpp"
#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kAll = "sum 333833500\n";

class PoolLimit : public testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }
  Ended run(const char* procs, const std::function<void()>& prepare) {
    return folder_.run_other({RUNNER_POOL_PROGRAM, procs, GetParam()}, {}, prepare);
  }
  static void expect_refused(const Ended& ended, const testing::Matcher<std::string>& why) {
    EXPECT_EQ(ended.status, 1) << ended.err;
    EXPECT_THAT(ended.err, AllOf(testing::StartsWith("cannot make a process pool: "), why));
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_THAT(ended.out, IsEmpty());
  }
  static void expect_all_or_refused(const Ended& ended, const testing::Matcher<std::string>& why) {
    if (ended.status == 0) {
      EXPECT_EQ(ended.out, kAll);
    } else {
      expect_refused(ended, why);
    }
  }
  Folder folder_;
};

INSTANTIATE_TEST_SUITE_P(Over, PoolLimit, testing::Values("shm", "pipe"),
                         [](const auto& over) { return std::string(over.param); });

TEST_P(PoolLimit, OfNothingComputesEverything) {
  const Ended ended = run("3", {});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, kAll);
}

TEST_P(PoolLimit, OfOpenFilesIsNamedWithTheNumberThatWouldDo) {
  expect_refused(run("100", limited(RLIMIT_NOFILE, 90)),
                 AllOf(HasSubstr("100 worker processes need "), HasSubstr("RLIMIT_NOFILE is 90"), HasSubstr("use at most ")));
  for (const rlim_t files : {6U, 10U, 16U, 20U, 24U, 26U, 28U, 30U, 34U}) {
    SCOPED_TRACE(files);
    expect_all_or_refused(run("2", limited(RLIMIT_NOFILE, files)), HasSubstr("RLIMIT_NOFILE"));
  }
}

TEST_P(PoolLimit, OfPlacesIsTheLargestNumber) {
  expect_refused(run("100000", {}), HasSubstr("from 1 to 1024, as many as one master has places for, found 100000"));
}

TEST_P(PoolLimit, OfFileSizeIsNamedOrOfNoConcern) {
  const Ended ended = run("2", limited(RLIMIT_FSIZE, 100'000));
  if (GetParam() == std::string("pipe")) {
    EXPECT_EQ(ended.out, kAll) << ended.err;
  } else {
    expect_refused(ended, AllOf(HasSubstr("RLIMIT_FSIZE (100000)"), HasSubstr("ulimit -f")));
  }
}

TEST_P(PoolLimit, OfLockedMemoryIsNoneOfOurs) { EXPECT_EQ(run("2", limited(RLIMIT_MEMLOCK, 0)).out, kAll); }

TEST_P(PoolLimit, OfAMemoryCgroupIsNamed) {
  const MemoryGroup group(std::uint64_t{32} << 20);
  if (!group.why_not().empty()) GTEST_SKIP() << "no memory cgroup can be made here: " << group.why_not();
  expect_refused(run("200", group.joined()), HasSubstr("the cgroup's memory.max is 32.0 MiB: raise it"));
}

TEST_P(PoolLimit, OfASandboxIsNamed) {
  const Ended ended = run("2", without_call(SYS_memfd_create, ENOSYS));
  if (ended.status == kCannotLimit) GTEST_SKIP() << "no system call can be forbidden here";
  if (GetParam() == std::string("pipe")) {
    EXPECT_EQ(ended.out, kAll) << ended.err;
  } else {
    expect_refused(ended, AllOf(HasSubstr("memfd_create"), HasSubstr("use pipes in its place")));
  }
}

TEST_P(PoolLimit, OfAWorkersMemoryFailsTheCallWhoseArgumentsDoNotFitAndNoOther) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer maps more memory than the limit of this test";
  const Ended ended = folder_.run_other({RUNNER_POOL_PROGRAM, "2", GetParam(), "large"}, {}, {});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("large: its arguments could not be taken in by a worker: "),
                               HasSubstr("RLIMIT_AS (104857600)"), HasSubstr("neighbour: 7")));
}

TEST_P(PoolLimit, OfDescriptorsOnTheirWayMakesResultsWaitThatNobodyTakes) {
  const Ended ended = folder_.run_other({RUNNER_POOL_PROGRAM, "4", GetParam(), "many", "600"}, {}, limited(RLIMIT_NOFILE, 100));
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("came back: 600"));
}

TEST_P(PoolLimit, ThatForbidsToReplaceAWorkerIsToldAfterWhatCameBefore) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs descriptors of its own";
  Running running(folder_, {RUNNER_POOL_PROGRAM, "2", GetParam(), "until-go"});
  ASSERT_TRUE(eventually([&] { return folder_.exists("begun"); }));
  const rlimit none{3, 3};
  ASSERT_EQ(::prlimit(running.pid(), RLIMIT_NOFILE, &none, nullptr), 0);
  folder_.write("go", "");
  const Ended ended = running.wait();
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("RLIMIT_NOFILE (3) is too low: raise it with `ulimit -n`"));
  EXPECT_THAT(ended.out, AllOf(testing::StartsWith(kAll), HasSubstr("SIGSEGV")));
}

TEST_P(PoolLimit, OfALifeIsThatOfTheProgram) {
  Running running(folder_, {RUNNER_POOL_PROGRAM, "2", GetParam(), "until-go"});
  ASSERT_TRUE(eventually([&] { return folder_.exists("begun"); }));
  running.signal(SIGKILL);
  EXPECT_EQ(running.wait().status, 128 + SIGKILL);
  // TearDown() looks for workers and their zygote.
}

}  // namespace
}  // namespace runner::integration
