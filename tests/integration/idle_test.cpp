// Many more workers than cores with nothing to do cost nothing: nobody wakes up, neither they nor their master.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::IsEmpty;

// How often the program and all below it have given up their processors by themselves: each wake-up ends in one such.
std::uint64_t sleeps(const Running& running) {
  std::uint64_t all = 0;
  std::vector<pid_t> pids = running.descendants();
  pids.push_back(running.pid());
  for (const pid_t pid : pids) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string word; status >> word;) {
      if (word != "voluntary_ctxt_switches:") continue;
      std::uint64_t count = 0;
      status >> count;
      all += count;
    }
  }
  return all;
}

// `begun` says that from now on there is nothing to do.
void expect_silence(const Running& running, const Folder& folder, std::size_t processes) {
  ASSERT_TRUE(eventually([&] { return folder.exists("begun"); }));
  ASSERT_TRUE(eventually([&] {
    const std::uint64_t before = sleeps(running);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    return sleeps(running) == before;
  })) << "they never come to rest";
  EXPECT_GE(running.descendants().size(), processes);
  const std::uint64_t before = sleeps(running);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  EXPECT_LE(sleeps(running) - before, 5U);
}

class Idle : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { ASSERT_EQ(folder_.run_other({"mkfifo", "end"}).status, 0); }
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }
  Folder folder_;
};
INSTANTIATE_TEST_SUITE_P(Over, Idle, testing::Values("shm", "pipe"), [](const auto& over) { return std::string(over.param); });

TEST_P(Idle, SixtyThreeWorkersBesideOneThatIsBusyNeverWake) {
  folder_.write(
      "jobs.yaml",
      "version: 1\njobs: [{name: n, kind: noop, matrix: {i: 1..1000}}, {name: busy, shell: \"touch begun; read x < end\", "
      "timeout: 1000s}]\n");
  Running running(folder_, words({"--procs", "64", "--transport", GetParam(), "--progress", "none", "jobs.yaml"}));
  expect_silence(running, folder_, 65);
  folder_.write("end", "x\n");
  EXPECT_EQ(running.wait().status, 0);
}

TEST_P(Idle, ThePoolOf64WorkersNeverWakes) {
  Running running(folder_, {RUNNER_POOL_PROGRAM, "64", GetParam(), "idle"});
  expect_silence(running, folder_, 64);
  folder_.write("end", "x\n");
  EXPECT_EQ(running.wait().status, 0);
}

}  // namespace
}  // namespace runner::integration
