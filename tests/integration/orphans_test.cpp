// Nothing outlives what it belongs to: a job's processes its job, workers and their jobs the master; whoever is killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Words = std::vector<std::string>;

std::map<std::string, nlohmann::json> records(const std::string& lines) {
  std::map<std::string, nlohmann::json> all;
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);) {
    auto record = nlohmann::json::parse(line);
    all[record["job"]] = record;
  }
  return all;
}

// Its grandchildren have left the group and the session, have two parents less, and ignore what can be ignored.
const std::string kDetached =
    "(setsid nohup sh -c \"trap '' TERM HUP INT; touch away; while :; do sleep 1000; done\" >/dev/null 2>&1 &); "
    "while [ ! -e away ]; do sleep 0.01; done; ";

Words with(const Words& model, const Words& more = {}) {
  Words arguments{"--procs", "2", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"};
  arguments.insert(arguments.end(), model.begin(), model.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}
std::string name_of(const testing::TestParamInfo<Words>& one) {
  std::string name;
  for (const std::string& word : one.param) name += word.starts_with("--") ? "" : word;
  return name.empty() ? "shm" : name;
}

class OrphansOfWorkers : public testing::TestWithParam<Words> {
 protected:
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }
  // Starts a run whose two workers are in a command with a detached grandchild and in a typed job.
  std::unique_ptr<Running> start() {
    folder_.write("run.sh", kDetached + "touch begun; sleep 1000\n");
    folder_.write("jobs.yaml", "version: 1\njobs: [{command: [sh, run.sh]}, {kind: sleep, args: {duration: 1000s}}]\n");
    auto running = std::make_unique<Running>(folder_, words(with(GetParam())));
    EXPECT_TRUE(eventually([&] { return folder_.exists("begun"); }));
    return running;
  }
  static std::vector<pid_t> named(const Running& running, const std::string& name) {
    std::vector<pid_t> found;
    for (const pid_t pid : running.descendants()) {
      if (process_name(pid) == name) found.push_back(pid);
    }
    return found;
  }
  Folder folder_;
};
INSTANTIATE_TEST_SUITE_P(Start, OrphansOfWorkers,
                         testing::Values(Words{}, Words{"--start", "fork"}, Words{"--transport", "pipe"}), name_of);

TEST_P(OrphansOfWorkers, AreEndedWithTheCommandThatLeftThemAndNamed) {
  folder_.write("jobs.yaml", "version: 1\njobs: [{name: leaves, shell: '" +
                                 std::string("sleep 1000 & setsid sleep 1000 & (setsid sleep 1000 &); exit 0") +
                                 "'}, {name: clean, command: [\"true\"]}]\n");
  const Ended ended = folder_.run(with(GetParam()));
  EXPECT_EQ(ended.status, 0) << ended.err;
  auto all = records(folder_.read("r.jsonl"));
  EXPECT_THAT(all["leaves"]["left_behind"], SizeIs(3)) << all["leaves"];
  EXPECT_FALSE(all["clean"].contains("left_behind")) << all["clean"];
  EXPECT_THAT(ended.err, HasSubstr("left running, and ended with their job: leaves: "));
}

TEST_P(OrphansOfWorkers, AreEndedWithTheCommandThatTimesOut) {
  folder_.write("run.sh", kDetached + "sleep 1000\n");
  folder_.write("jobs.yaml",
                "version: 1\ndefaults: {kill_after: 100ms}\njobs: [{name: slow, timeout: 300ms, command: [sh, run.sh]}, "
                "{name: stopped, timeout: 300ms, shell: \"kill -STOP $$\"}]\n");
  const Ended ended = folder_.run(with(GetParam()));
  EXPECT_EQ(ended.status, 1);
  auto all = records(folder_.read("r.jsonl"));
  EXPECT_EQ(all["slow"]["status"], "timed_out");
  EXPECT_EQ(all["stopped"]["status"], "timed_out");
  EXPECT_FALSE(all["slow"].contains("left_behind"));
}

TEST_P(OrphansOfWorkers, OfAForkBombAreEnded) {
  folder_.write("jobs.yaml",
                "version: 1\njobs: [{name: bomb, timeout: 500ms, kill_after: 0s, shell: 'b() { i=0; while [ $i -lt 40 ]; do "
                "(setsid sleep "
                "1000 & sleep 1000) & i=$((i+1)); done; }; b; wait'}, {name: ok, kind: noop, matrix: {i: 1..10}}]\n");
  const Ended ended = folder_.run(with(GetParam()));
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("10 ok"));
}

// The worker dies before it can look after what it has started: that comes to the master.
TEST_P(OrphansOfWorkers, OfAWorkerThatIsKilledAreEnded) {
  folder_.write("run.sh", kDetached + "touch begun; sleep 1000\n");
  folder_.write("jobs.yaml", "version: 1\njobs: [{name: run, command: [sh, run.sh]}]\n");
  Running running(folder_, words(with(GetParam())));
  ASSERT_TRUE(eventually([&] { return folder_.exists("begun"); }));
  int killed = 0;
  for (const pid_t pid : running.descendants()) {
    if (process_name(pid) == "runner-w0") killed += ::kill(pid, SIGKILL) == 0;
  }
  EXPECT_EQ(killed, 1);
  EXPECT_EQ(running.wait().status, 1);
  const auto record = records(folder_.read("r.jsonl"))["run"];
  EXPECT_EQ(record["signal"], "SIGKILL");
  EXPECT_EQ(record["error"], "crashed: SIGKILL (its worker died of it)") << "the command was ended for that";
  EXPECT_FALSE(record["left_behind"].empty()) << record;
}

// ---- whatever dies ----

class WhateverDies : public OrphansOfWorkers {};
INSTANTIATE_TEST_SUITE_P(Start, WhateverDies,
                         testing::Values(Words{}, Words{"--start", "fork"}, Words{"--mode", "threads"},
                                         Words{"--mode", "async"}),
                         name_of);

TEST_P(WhateverDies, NothingIsLeftOfAMasterThatIsKilled) {
  auto running = start();
  running->signal(SIGKILL);
  EXPECT_EQ(running->wait().status, 128 + SIGKILL);
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_P(WhateverDies, AGuardianThatIsKilledIsReplaced) {
  auto running = start();
  for (int times = 0; times < 3; ++times) {
    std::vector<pid_t> guardians;
    ASSERT_TRUE(eventually([&] { return (guardians = named(*running, "runner-guardian")).size() == 1; })) << times;
    ::kill(guardians[0], SIGKILL);
    ASSERT_TRUE(eventually([&] {
      const std::vector<pid_t> now = named(*running, "runner-guardian");
      return now.size() == 1 && now[0] != guardians[0];
    })) << times;
  }
  running->signal(SIGKILL);
  static_cast<void>(running->wait());
  EXPECT_THAT(leftovers(), IsEmpty()) << "the new one knows what the old one knew";
}

TEST_P(OrphansOfWorkers, OfMasterAndGuardianThatAreKilledTogetherAreEnded) {
  auto running = start();
  const std::vector<pid_t> guardians = named(*running, "runner-guardian");
  ASSERT_THAT(guardians, SizeIs(1));
  running->signal(SIGSTOP);  // or it would replace it
  ::kill(guardians[0], SIGKILL);
  running->signal(SIGKILL);
  static_cast<void>(running->wait());
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_P(WhateverDies, AStoppedWorkerIsNoRefuge) {
  auto running = start();
  for (const char* name : {"runner-w0", "runner-w1"}) {
    for (const pid_t pid : named(*running, name)) ::kill(pid, SIGSTOP);
  }
  running->signal(SIGKILL);
  static_cast<void>(running->wait());
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_P(WhateverDies, TheLastInterruptLeavesNothing) {
  auto running = start();
  running->signal(SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  running->signal(SIGINT);
  EXPECT_EQ(running->wait().status, 130);
  EXPECT_THAT(leftovers(), IsEmpty());
}

// ---- memory ----

TEST(MemoryLimit, EndsACommandWithAllItsProcessesAndSaysHowMuchItHad) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: large, memory: 60MiB, shell: \"(setsid head -c 200000000 /dev/zero | tail -c "
               "200000000 | sleep 1000); true\"}, "
               "{name: small, memory: 60MiB, command: [\"true\"]}]\n");
  for (const Words& model : std::vector<Words>{{}, {"--mode", "threads"}, {"--mode", "async"}, {"--mode", "serial"}}) {
    const Ended ended = folder.run(with(model));
    EXPECT_EQ(ended.status, 1) << ended.err;
    auto all = records(folder.read("r.jsonl"));
    EXPECT_EQ(all["large"]["status"], "out_of_memory") << all["large"];
    EXPECT_THAT(all["large"]["error"].get<std::string>(), HasSubstr("more than `memory` allows (60.0 MiB)"));
    EXPECT_GT(all["large"]["peak_memory"], 60 << 20);
    EXPECT_EQ(all["small"]["status"], "ok") << all["small"];
    EXPECT_THAT(leftovers(), IsEmpty());
  }
}

TEST(MemoryLimit, EndsATypedJobWithItsWorkerAndChargesNobodyElse) {
  const Folder folder;
  folder.write(
      "jobs.yaml",
      "version: 1\njobs: [{name: large, kind: misbehave, args: {how: leak, limit: 2GiB}, memory: 200MiB, timeout: 60s}, "
      "{name: ok, kind: noop, memory: 200MiB, matrix: {i: 1..50}}]\n");
  const Ended ended = folder.run(with({}));
  EXPECT_EQ(ended.status, 1) << ended.err;
  auto all = records(folder.read("r.jsonl"));
  EXPECT_EQ(all["large"]["status"], "out_of_memory") << all["large"];
  EXPECT_THAT(ended.err, HasSubstr("50 ok"));
  EXPECT_THAT(leftovers(), IsEmpty());
}

// ---- control groups ----

class GroupsInEachMode : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Orphans, GroupsInEachMode, testing::Values("processes", "threads", "async", "serial"),
                         [](const auto& mode) { return std::string(mode.param); });

// Where the groups of a run of this process are.
std::string group_of(const std::string& groups, pid_t master) {
  struct stat space{};
  EXPECT_EQ(::stat("/proc/self/ns/pid", &space), 0);
  return groups + "/runner-" + std::to_string(space.st_ino) + "-" + std::to_string(master);
}

std::string groups_of(const Folder& folder) {
  const std::string doctor = folder.run({"doctor", "--json"}).out;
  const nlohmann::json cgroups = nlohmann::json::parse(doctor).at("cgroups");
  return cgroups.at("delegated") ? cgroups.at("v2").get<std::string>() : std::string();
}

TEST_P(GroupsInEachMode, WhatACommandLeavesBehindIsNamedAndEndedWithIt) {
  const Folder folder;
  const std::string groups = groups_of(folder);
  if (groups.empty()) GTEST_SKIP() << "no control group (v2) is delegated here; `runner doctor` says why";
  folder.write("jobs.yaml", "version: 1\njobs: [{name: a, shell: \"(setsid sleep 1000 > /dev/null 2>&1 &) ; exit 0\"}]\n");
  Running run(folder, words({"--mode", GetParam(), "jobs.yaml"}));
  const Ended ended = run.wait();
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.err, HasSubstr("left running, and ended with their job: a: s"));  // sleep, or setsid on its way there
  EXPECT_THAT(leftovers(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(group_of(groups, run.pid())));
}

TEST_P(GroupsInEachMode, NothingOfThemIsLeftWhenTheRunnerIsKilled) {
  const Folder folder;
  const std::string groups = groups_of(folder);
  if (groups.empty()) GTEST_SKIP() << "no control group (v2) is delegated here; `runner doctor` says why";
  folder.write("jobs.yaml", "version: 1\njobs: [{name: a, shell: \"touch began; (setsid sleep 1000 &) ; exec sleep 1000\"}]\n");
  Running run(folder, words({"--mode", GetParam(), "jobs.yaml"}));
  ASSERT_TRUE(eventually([&] { return folder.exists("began"); }));
  const std::string own = group_of(groups, run.pid());
  EXPECT_TRUE(std::filesystem::exists(own));
  run.signal(SIGKILL);
  static_cast<void>(run.wait());
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(own); }));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Groups, ThatADeadMasterAndItsGuardianLeftAreEndedByTheNextRun) {
  const Folder folder;
  const std::string groups = groups_of(folder);
  if (groups.empty()) GTEST_SKIP() << "no control group (v2) is delegated here; `runner doctor` says why";
  folder.write("jobs.yaml", "version: 1\njobs: [{name: a, kind: noop}]\n");
  // As they would be found: of a process that is no more, with somebody inside.
  const pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(gone, nullptr, 0), gone);
  const std::string left = group_of(groups, gone);
  std::filesystem::create_directories(left + "/1");
  const pid_t orphan = ::fork();
  if (orphan == 0) {
    ::pause();
    ::_exit(0);
  }
  std::ofstream(left + "/1/cgroup.procs") << orphan;
  EXPECT_EQ(folder.run({"jobs.yaml"}).status, 0);
  EXPECT_FALSE(std::filesystem::exists(left));
  int status = 0;
  EXPECT_EQ(::waitpid(orphan, &status, WNOHANG), orphan) << "it lives";
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(leftovers(), IsEmpty());
}

}  // namespace
}  // namespace runner::integration
