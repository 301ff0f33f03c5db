// Ctrl-C: the first lets running jobs finish, the second ends them, the third ends everything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Interrupt : public testing::TestWithParam<std::vector<std::string>> {
 protected:
  std::vector<std::string> command(const std::string& yaml) {
    folder_.write("jobs.yaml", yaml);
    std::vector<std::string> arguments{"--procs", "1", "--progress", "lines", "--results", "r.jsonl", "jobs.yaml"};
    arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
    return words(arguments);
  }
  bool begun() const {
    return eventually([&] { return folder_.exists("begun"); });
  }
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }
  Folder folder_;
};
INSTANTIATE_TEST_SUITE_P(Models, Interrupt,
                         testing::Values(std::vector<std::string>{}, std::vector<std::string>{"--transport", "pipe"},
                                         std::vector<std::string>{"--mode", "threads"},
                                         std::vector<std::string>{"--mode", "async"},
                                         std::vector<std::string>{"--mode", "serial"}),
                         [](const auto& one) { return one.param.empty() ? std::string("shm") : one.param[1]; });

TEST_P(Interrupt, OnceLetsWhatRunsFinishAndStartsNothingMore) {
  Running running(
      folder_,
      command(
          "version: 1\njobs:\n  - {name: run, shell: \"touch begun; while [ ! -e go ]; do sleep 0.02; done; echo finished\"}\n"
          "  - {name: later, shell: \"echo more\", matrix: {i: 1..50}}\n"));
  ASSERT_TRUE(begun());
  running.signal(SIGINT);
  folder_.write("go", "");
  const Ended ended = running.wait();
  EXPECT_EQ(ended.status, 130) << ended.err;
  EXPECT_EQ(ended.out.substr(0, 9), "finished\n");
  EXPECT_THAT(folder_.read("r.jsonl"), HasSubstr("\"job\":\"run\",\"kind\":\"command\",\"status\":\"ok\""));
  EXPECT_THAT(folder_.read("r.jsonl"), Not(HasSubstr("later-3\"")));
}

TEST_P(Interrupt, OnceKeepsTheFailureOfAJobThatWouldHaveBeenTriedAgain) {
  Running running(folder_, command("version: 1\njobs: [{name: run, shell: \"touch begun; while [ ! -e go ]; do sleep 0.02; "
                                   "done; exit 7\", retries: 3}]\n"));
  ASSERT_TRUE(begun());
  running.signal(SIGINT);
  folder_.write("go", "");
  EXPECT_EQ(running.wait().status, 130);
  EXPECT_THAT(folder_.read("r.jsonl"), HasSubstr("\"job\":\"run\",\"kind\":\"command\",\"status\":\"failed\",\"attempts\":1"));
}

TEST_P(Interrupt, TwiceEndsWhatRuns) {
  Running running(
      folder_,
      command("version: 1\njobs: [{name: run, shell: \"touch begun; sleep 1000\"}, {name: later, command: [\"true\"]}]\n"));
  ASSERT_TRUE(begun());
  running.signal(SIGINT);
  // Also where the loop is inside of the job.
  ASSERT_TRUE(eventually([&] { return running.err_so_far().find("Ctrl-C") != std::string::npos; })) << running.err_so_far();
  running.signal(SIGINT);
  const Ended ended = running.wait();
  EXPECT_EQ(ended.status, 130);
  EXPECT_THAT(folder_.read("r.jsonl"), HasSubstr("\"job\":\"run\",\"kind\":\"command\",\"status\":\"cancelled\""));
}

TEST_P(Interrupt, BySigtermEndsWhatRuns) {
  Running running(
      folder_,
      command("version: 1\njobs: [{name: run, shell: \"touch begun; sleep 1000\"}, {name: later, command: [\"true\"]}]\n"));
  ASSERT_TRUE(begun());
  running.signal(SIGTERM);
  EXPECT_EQ(running.wait().status, 130);
  EXPECT_THAT(folder_.read("r.jsonl"), HasSubstr("\"job\":\"run\",\"kind\":\"command\",\"status\":\"cancelled\""));
}

TEST_P(Interrupt, ThriceEndsEvenWhatIgnoresTheSecond) {
  Running running(
      folder_,
      command("version: 1\njobs: [{name: run, shell: \"trap '' TERM; touch begun; while :; do sleep 0.02; done\"}]\n"));
  ASSERT_TRUE(begun());
  running.signal(SIGTERM);
  ASSERT_TRUE(eventually([&] {
    return running.err_so_far().find("TERM was sent") != std::string::npos ||
           running.err_so_far().find("were sent TERM") != std::string::npos;
  })) << running.err_so_far();
  running.signal(SIGINT);
  EXPECT_EQ(running.wait().status, 130);
}

class InterruptWithoutProgress : public testing::TestWithParam<const char*> {};
// In a serial run the loop is inside of the job: its watchdog tells.
INSTANTIATE_TEST_SUITE_P(Models, InterruptWithoutProgress, testing::Values("processes", "serial"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(InterruptWithoutProgress, SaysWhatEachSignalDid) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: run, shell: \"trap '' TERM; touch begun; while :; do sleep 0.02; done\", kill_after: "
               "100s}]\n");
  Running running(folder, words({"--mode", GetParam(), "--procs", "1", "--progress", "none", "jobs.yaml"}));
  ASSERT_TRUE(eventually([&] { return folder.exists("begun"); }));
  const auto said = [&](const char* text) {
    return eventually([&] { return running.err_so_far().find(text) != std::string::npos; });
  };
  running.signal(SIGINT);
  EXPECT_TRUE(said("interrupted: running jobs finish")) << running.err_so_far();
  running.signal(SIGTERM);  // counts as the second
  EXPECT_TRUE(said("one more Ctrl-C kills them at once")) << running.err_so_far();
  running.signal(SIGINT);
  EXPECT_EQ(running.wait().status, 130);
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(InterruptOfTypedJobs, TwiceEndsThemInProcessesAndAsksThemElsewhere) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: first, shell: \"touch begun\"}, {name: run, kind: spin, args: {duration: 1000s}}]\n");
  for (const std::vector<std::string>& model :
       std::vector<std::vector<std::string>>{{}, {"--mode", "serial"}, {"--mode", "threads"}, {"--mode", "async"}}) {
    std::vector<std::string> arguments{"--procs", "1", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"};
    arguments.insert(arguments.end(), model.begin(), model.end());
    Running running(folder, words(arguments));
    ASSERT_TRUE(eventually([&] { return folder.read("r.jsonl").find("first") != std::string::npos; }));
    running.signal(SIGTERM);
    const Ended ended = running.wait();
    EXPECT_EQ(ended.status, 130) << ended.err;
    EXPECT_THAT(leftovers(), IsEmpty());
    std::filesystem::remove(folder.path() / "r.jsonl");
  }
}

}  // namespace
}  // namespace runner::integration
