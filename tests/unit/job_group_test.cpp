// Control groups of commands: on a tree that is none, and on a real one where this test may make it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "master/run_group.hpp"
#include "tests/silence.hpp"
#include "worker/command.hpp"
#include "worker/job_group.hpp"

namespace runner::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

// Looks like a group, but nobody sees to it.
class FakeGroup : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "runner-group-" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
    write("cgroup.events", "populated 0\nfrozen 0\n");
    write("cgroup.procs", "");
    write("cgroup.kill", "");
    write("memory.max", "max\n");
    write("memory.oom.group", "0\n");
    write("memory.peak", "4096\n");
    write("memory.events", "low 0\noom 0\noom_kill 3\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& file, const std::string& text) const { std::ofstream(folder_ + "/" + file) << text; }
  [[nodiscard]] std::string read(const std::string& file) const {
    std::ifstream in(folder_ + "/" + file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string folder_;
};

TEST_F(FakeGroup, LimitsMemoryAndKnowsWhenTheKernelHasEndedSomebodyForThat) {
  const Silence silence;
  const std::unique_ptr<JobGroup> group = JobGroup::at(folder_);
  ASSERT_TRUE(group);
  EXPECT_TRUE(group->limit(Bytes{1'000'000}));
  EXPECT_EQ(read("memory.max"), "1000000");
  EXPECT_EQ(read("memory.oom.group"), "1");
  EXPECT_FALSE(group->out_of_memory()) << "three were ended before";
  write("memory.events", "oom_kill 4\n");
  EXPECT_TRUE(group->out_of_memory());
  EXPECT_EQ(group->peak()->count, 4096U);
  EXPECT_FALSE(group->limit(Bytes{0}));
  EXPECT_EQ(read("memory.max"), "max");
  EXPECT_FALSE(group->out_of_memory());
}

TEST_F(FakeGroup, WithoutTheControllerLimitsNothingAndSaysSo) {
  std::filesystem::remove(folder_ + "/memory.max");
  const std::unique_ptr<JobGroup> group = JobGroup::at(folder_);
  EXPECT_FALSE(group->limit(Bytes{1'000'000}));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/memory.max")) << "it must not be made";
  EXPECT_FALSE(group->out_of_memory());
}

TEST_F(FakeGroup, TellsWhoIsInItAndEndsThem) {
  const std::unique_ptr<JobGroup> group = JobGroup::at(folder_);
  EXPECT_FALSE(group->populated());
  EXPECT_THAT(group->names(), IsEmpty());
  write("cgroup.procs", std::to_string(::getpid()) + "\n");
  EXPECT_THAT(group->names(), ElementsAre(StartsWith("unit_tests (pid ")));
  group->kill();
  EXPECT_EQ(read("cgroup.kill"), "1");
}

TEST_F(FakeGroup, OfAFolderThatCannotBeMadeIsNone) { EXPECT_EQ(JobGroup::at(folder_ + "/no/such"), nullptr); }

// ---- a real one ----

class RealGroup : public testing::Test {
 protected:
  void SetUp() override {
    const master::Delegation delegated = master::delegation();
    run_ = master::RunGroup::make(delegated);
    if (!run_) GTEST_SKIP() << "no control group (v2) is delegated here: " << delegated.why_none;
  }
  std::unique_ptr<master::RunGroup> run_;
};

TEST_F(RealGroup, HoldsWhatACommandHasStartedHoweverItDetachedItself) {
  use_slot(1001);  // whose group is made now
  const Outcome outcome =
      run_command({{"/bin/sh", "-c", "grep ^0 /proc/self/cgroup; (setsid sleep 1000 > /dev/null 2>&1 &) ; exit 3"}, "", "", {}},
                  -1, [] { return Wish::go_on; });
  EXPECT_EQ(run_command({{"true"}, "", "", {}}, -1, [] { return Wish::go_on; }).exit_code, 0)
      << "whoever is born into a group that was killed is killed";
  use_slot(1);
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.out.text, testing::EndsWith("/1001\n")) << "it is not in its group";
  ASSERT_EQ(outcome.left_behind.size(), 1U);
  const std::string folder = run_->folder();
  EXPECT_TRUE(std::filesystem::exists(folder + "/1001"));
  run_.reset();
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace runner::worker
