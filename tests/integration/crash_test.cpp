// A job that dies takes nothing with it but itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::map<std::string, nlohmann::json> records(const std::string& lines) {
  std::map<std::string, nlohmann::json> all;
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);) {
    auto record = nlohmann::json::parse(line);
    EXPECT_FALSE(all.contains(record["job"])) << "two records of one job";
    all[record["job"]] = record;
  }
  return all;
}

class Crash : public testing::TestWithParam<std::vector<std::string>> {
 protected:
  Ended run(const std::string& yaml, std::vector<std::string> more = {}) {
    folder_.write("jobs.yaml", yaml);
    std::vector<std::string> arguments{"--procs", "2", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"};
    arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return folder_.run(arguments);
  }
  auto results() { return records(folder_.read("r.jsonl")); }
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }
  Folder folder_;
};

INSTANTIATE_TEST_SUITE_P(Workers, Crash,
                         testing::Values(std::vector<std::string>{}, std::vector<std::string>{"--transport", "pipe"},
                                         std::vector<std::string>{"--start", "fork"},
                                         std::vector<std::string>{"--transport", "pipe", "--start", "fork"}),
                         [](const auto& one) {
                           std::string name;
                           for (const std::string& word : one.param) name += word.starts_with("--") ? "" : word;
                           return name.empty() ? std::string("shm") : name;
                         });

TEST_P(Crash, IsReportedWithItsSignalAndTheOthersGoOn) {
  const Ended ended =
      run("version: 1\njobs:\n  - {name: ok, kind: noop, matrix: {i: 1..500}}\n"
          "  - {name: \"${{ how }}\", kind: misbehave, matrix: {how: [segfault, abort, exit, throw]}}\n"
          "  - {name: more, kind: noop, matrix: {i: 1..500}}\n");
  EXPECT_EQ(ended.status, 1);
  auto all = results();
  ASSERT_EQ(all.size(), 1004U);
  EXPECT_EQ(all["segfault"]["status"], "crashed");
  EXPECT_EQ(all["segfault"]["signal"], "SIGSEGV");
  EXPECT_EQ(all["abort"]["signal"], "SIGABRT");
  EXPECT_EQ(all["exit"]["status"], "crashed");
  EXPECT_FALSE(all["exit"].contains("signal"));
  EXPECT_THAT(all["exit"]["error"].get<std::string>(), HasSubstr("3"));
  EXPECT_EQ(all["throw"]["status"], "failed");
  for (int i = 1; i <= 500; ++i) {
    EXPECT_EQ(all["ok-" + std::to_string(i)]["status"], "ok");
    EXPECT_EQ(all["more-" + std::to_string(i)]["status"], "ok");
    EXPECT_EQ(all["more-" + std::to_string(i)]["attempts"], 1);
  }
  EXPECT_THAT(ended.err, AllOf(HasSubstr("segfault: crashed: SIGSEGV"), HasSubstr("1 004 jobs"), HasSubstr("3 crashed")));
}

TEST_P(Crash, ThatIsAllowedDoesNotFailTheRun) {
  const Ended ended = run(
      "version: 1\njobs:\n  - {name: seg, kind: misbehave, args: {how: segfault}, allow_failure: true}\n  - {kind: noop}\n");
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("seg: crashed: SIGSEGV"));
}

TEST_P(Crash, IsTriedAgainAsOftenAsAsked) {
  const Ended ended =
      run("version: 1\njobs: [{name: seg, kind: misbehave, args: {how: segfault}, retries: 2}, {name: no, command: "
          "[\"false\"], retries: 1}]\n");
  EXPECT_EQ(ended.status, 1);
  auto all = results();
  EXPECT_EQ(all["seg"]["attempts"], 3);
  EXPECT_EQ(all["no"]["attempts"], 2);
  EXPECT_EQ(all["no"]["exit_code"], 1);
}

TEST_P(Crash, OfAHundredInARowDoesNotStopTheRun) {
  const Ended ended =
      run("version: 1\njobs: [{name: s, kind: misbehave, args: {how: segfault}, matrix: {i: 1..100}}, {name: ok, kind: noop, "
          "matrix: {i: 1..100}}]\n");
  EXPECT_EQ(ended.status, 1);
  std::size_t crashed = 0, ok = 0;
  for (const auto& [name, record] : results()) {
    crashed += record["status"] == "crashed";
    ok += record["status"] == "ok";
  }
  EXPECT_EQ(crashed, 100U);
  EXPECT_EQ(ok, 100U);
}

TEST_P(Crash, OfAWorkerKilledFromOutsideChargesTheJobItRan) {
  folder_.write("jobs.yaml",
                "version: 1\njobs: [{name: first, shell: \"touch begun\"}, {name: long, kind: sleep, args: {duration: 1000s}}, "
                "{name: short, kind: noop, matrix: {i: 1..50}}]\n");
  std::vector<std::string> arguments{"--procs", "1", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"};
  arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
  Running running(folder_, words(arguments));
  ASSERT_TRUE(eventually([&] { return folder_.exists("begun"); }));
  // A kill between two jobs charges nobody, so it may take another one until the long job was hit.
  EXPECT_TRUE(eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    for (const pid_t pid : running.descendants()) {
      if (process_name(pid) == "runner-w0") ::kill(pid, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return folder_.read("r.jsonl").find("\"long\"") != std::string::npos;
  }));
  const Ended ended = running.wait();
  EXPECT_EQ(ended.status, 1);
  auto all = results();
  EXPECT_EQ(all["long"]["status"], "crashed");
  EXPECT_EQ(all["long"]["signal"], "SIGKILL");
  EXPECT_EQ(all["long"]["error"], "crashed: SIGKILL") << "a typed job is its worker";
  EXPECT_EQ(all.size(), 52U);
}

TEST_P(Crash, OfACommandIsItsOwn) {
  const Ended ended =
      run("version: 1\njobs: [{name: c, shell: \"kill -SEGV $$\"}, {name: three, shell: \"echo out; echo err >&2; exit 3\"}, "
          "{name: ok, command: [\"true\"]}]\n");
  EXPECT_EQ(ended.status, 1);
  auto all = results();
  EXPECT_EQ(all["c"]["status"], "crashed");
  EXPECT_EQ(all["c"]["signal"], "SIGSEGV");
  EXPECT_EQ(all["three"]["status"], "failed");
  EXPECT_EQ(all["three"]["exit_code"], 3);
  EXPECT_EQ(all["three"]["stdout"], "out\n");
  EXPECT_EQ(all["three"]["stderr"], "err\n");
  EXPECT_EQ(all["ok"]["exit_code"], 0);
  EXPECT_THAT(ended.err, Not(HasSubstr("worker 0 died")));
}

TEST(TheZygote, ThatIsKilledIsReplaced) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: waits, shell: \"touch begun; while [ ! -e go ]; do sleep 0.02; done\"}, "
               "{name: dies, kind: misbehave, args: {how: segfault}}, {name: late, kind: noop, matrix: {i: 1..10}}]\n");
  Running running(folder,
                  words({"--procs", "1", "--progress", "none", "--start", "fork", "--results", "r.jsonl", "jobs.yaml"}));
  ASSERT_TRUE(eventually([&] { return folder.exists("begun"); }));
  int zygotes = 0;
  for (const pid_t pid : running.descendants()) {
    if (process_name(pid) == "runner-zygote") zygotes += ::kill(pid, SIGKILL) == 0;
  }
  EXPECT_EQ(zygotes, 1);
  folder.write("go", "");
  const Ended ended = running.wait();
  EXPECT_EQ(ended.status, 1);
  auto all = records(folder.read("r.jsonl"));
  EXPECT_EQ(all["waits"]["status"], "ok");
  EXPECT_EQ(all["dies"]["status"], "crashed");
  EXPECT_EQ(all.size(), 12U) << ended.err;
  for (int i = 1; i <= 10; ++i) EXPECT_EQ(all["late-" + std::to_string(i)]["status"], "ok");
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(MasterKilled, LeavesNoWorkerAndNoCommand) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{kind: sleep, args: {duration: 1000s}}, {command: [sleep, \"1000\"]}, {kind: noop, matrix: "
               "{i: 1..10}}]\n");
  for (const char* start : {"spawn", "fork"}) {
    Running running(folder, words({"--procs", "3", "--progress", "none", "--start", start, "jobs.yaml"}));
    ASSERT_TRUE(eventually([&] {
      for (const pid_t pid : running.descendants()) {
        if (process_name(pid) == "sleep") return true;
      }
      return false;
    }));
    running.signal(SIGKILL);
    EXPECT_EQ(running.wait().status, 128 + SIGKILL);
    EXPECT_THAT(leftovers(), IsEmpty()) << start;
  }
}

}  // namespace
}  // namespace runner::integration
