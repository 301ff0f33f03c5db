// --trace: what a reader that is not ours finds in the file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

using Model = std::vector<std::string>;

const Model kSerial{"--mode", "serial"}, kThreads{"--mode", "threads"}, kAsync{"--mode", "async"}, kShm{"--transport", "shm"},
    kPipe{"--transport", "pipe"};

std::vector<std::string> command(const Model& model, const std::vector<std::string>& more = {}) {
  Model all{"--no-store", "--progress", "none", "--procs", "2", "--costs", "costs.json", "--trace", "trace.json", "jobs.yaml"};
  all.insert(all.end(), model.begin(), model.end());
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// What the reader has seen. Whatever breaks a rule of the format fails the test.
json look(const Folder& folder) {
  const Ended read =
      folder.run_other({"/usr/bin/python3", "-B", RUNNER_SOURCE_DIR "/tests/integration/trace_reader.py", "trace.json"});
  EXPECT_EQ(read.status, 0) << read.err.substr(0, 2000);
  return read.status == 0 ? json::parse(read.out) : json();
}

void expect_execute_of_costs(const Folder& folder, const json& seen) {
  const json costs = json::parse(folder.read("costs.json"));
  const double execute = costs.at("costs").at("execute").get<double>();
  EXPECT_NEAR(seen.at("execute").get<double>(), execute, 0.02 * execute);
  EXPECT_EQ(seen.at("attempts"), costs.at("attempts"));
}

// Bytes never become fewer, and in the end they are all that there were.
void expect_bytes_of_costs(const Folder& folder, const json& seen) {
  const json bytes = json::parse(folder.read("costs.json")).at("bytes");
  const json& values = seen.at("counters").at("bytes");
  ASSERT_GE(values.size(), 2U);
  EXPECT_EQ(values.front(), json::parse(R"([0.0, {"sent": 0.0, "received": 0.0}])"));
  EXPECT_EQ(values.back().at(1), bytes);
  for (const char* way : {"sent", "received"}) {
    for (std::size_t i = 1; i < values.size(); ++i) EXPECT_GE(values.at(i).at(1).at(way), values.at(i - 1).at(1).at(way));
  }
}

class TraceOf : public testing::TestWithParam<Model> {};
INSTANTIATE_TEST_SUITE_P(Model, TraceOf, testing::Values(kSerial, kThreads, kAsync, kShm, kPipe),
                         [](const auto& of) { return of.param[1]; });

TEST_P(TraceOf, HasEveryAttemptOnALaneAndAsMuchWorkAsTheLedger) {
  const Folder folder;
  folder.write(
      "jobs.yaml",
      "version: 1\njobs: [{kind: spin, args: {duration: 2ms}, matrix: {i: 1..40}}, {kind: noop, matrix: {i: 1..2000}}, "
      "{kind: misbehave, args: {how: throw}, retries: 2, matrix: {i: 1..5}}, {shell: \"true\", matrix: {i: 1..5}}]\n");
  const Ended ended = folder.run(command(GetParam()));
  ASSERT_EQ(ended.status, 1) << ended.err;
  const json seen = look(folder);
  expect_execute_of_costs(folder, seen);
  EXPECT_EQ(seen.at("attempts"), 40 + 2000 + 3 * 5 + 5);
  EXPECT_EQ(seen.at("statuses"), json({{"ok", 2045}, {"failed", 15}}));
  EXPECT_EQ(seen.at("instants"), json({{"retry", 10}}));
  std::set<std::string> counters;
  for (const auto& [name, values] : seen.at("counters").items()) counters.insert(name);
  EXPECT_THAT(counters, ElementsAre("bytes", "queued", "running"));
  expect_bytes_of_costs(folder, seen);
  EXPECT_FALSE(seen.at("about").contains("incomplete"));
  EXPECT_EQ(seen.at("lanes").at(0), "master");
  EXPECT_EQ(seen.at("lanes").size(), GetParam() == kSerial ? 2 : 3);
  EXPECT_EQ(seen.at("about").at("attempts_with_all_stamps").at("one_in"), 1);
  EXPECT_EQ(seen.at("about").at("other_attempts").at("one_in"), 1);
  // Where there is somebody else to talk to, arrows go both ways.
  if (GetParam() == kShm || GetParam() == kPipe) {
    EXPECT_GT(seen.at("spans").at("serialize"), 0);
    EXPECT_GT(seen.at("spans").at("collect"), 0);
    EXPECT_EQ(seen.at("ways"), json({{"master serialize", seen.at("spans").at("serialize")},
                                     {"worker collect", seen.at("spans").at("collect")}}));
  }
  EXPECT_THAT(ended.err, testing::Not(HasSubstr("thinned")));
}

TEST(Trace, ShowsCrashesRetriesAndLostWorkers) {
  for (const Model& model : {kShm, kPipe}) {
    const Folder folder;
    folder.write(
        "jobs.yaml",
        "version: 1\njobs: [{kind: misbehave, args: {how: segfault}, retries: 1, matrix: {i: 1..8}}, {kind: spin, args: "
        "{duration: 5ms}, matrix: {i: 1..20}}]\n");
    EXPECT_EQ(folder.run(command(model)).status, 1);
    const json seen = look(folder);
    expect_execute_of_costs(folder, seen);
    EXPECT_EQ(seen.at("statuses"), json({{"ok", 20}, {"crashed", 16}}));
    EXPECT_EQ(seen.at("instants"), json({{"retry", 8}, {"worker lost", 16}}));
  }
}

TEST(Trace, OfNoJobAtAllIsAFileWithoutJobs) {
  const Folder folder;
  folder.write("none", "");
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: {lines: none}}}]\n");
  const Ended ended = folder.run(command(kShm));
  ASSERT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("runner: `trace.json` has lanes but no job, because none was begun\n"));
  const json seen = look(folder);
  EXPECT_EQ(seen.at("attempts"), 0);
  EXPECT_THAT(seen.at("instants"), IsEmpty());
  EXPECT_EQ(seen.at("flows"), 0);
}

TEST(Trace, ShowsHowBytesWentToAndFroWhileTheRunWentOn) {
  for (const Model& model : {kShm, kPipe}) {
    const Folder folder;
    folder.write("jobs.yaml", "version: 1\njobs: [{kind: spin, args: {duration: 30ms, answer: 100KiB}, matrix: {i: 1..20}}]\n");
    const Ended ended = folder.run(command(model));
    ASSERT_EQ(ended.status, 0) << ended.err;
    const json seen = look(folder);
    expect_bytes_of_costs(folder, seen);
    const json& values = seen.at("counters").at("bytes");
    EXPECT_GT(values.size(), 2U) << "they do not all go at once";
    EXPECT_GE(values.back().at(1).at("received"), 20 * 100 * 1024);
  }
}

// The numbers of outcomes that the program says are safe, and of attempts in the trace: the same.
TEST(Trace, OfARunWhoseOwnProcessAJobTakesAlongHasWhatEndedBefore) {
  for (const Model& model : {kSerial, kThreads, kAsync}) {
    const Folder folder;
    folder.write(
        "jobs.yaml",
        "version: 1\njobs: [{kind: spin, args: {duration: 1ms}, matrix: {i: 1..20}}, {name: \"bad \\\"one\\\"\", kind: "
        "misbehave, args: {how: throw}}, {name: \"light ${{ i }}\", kind: noop, matrix: {i: 1..3000}}, {kind: misbehave, args: "
        "{how: segfault}, needs: [\"light *\"]}]\n");
    folder.write("trace.json", "what was there before");
    folder.write("run.html", "what was there before");
    const Ended ended = folder.run(command(model, {"--report", "run.html"}));
    EXPECT_EQ(ended.status, 128 + SIGSEGV) << ended.err;
    std::smatch safe;
    ASSERT_TRUE(std::regex_search(ended.err, safe, std::regex("([0-9]+) outcomes are safe"))) << ended.err;
    const json seen = look(folder);
    EXPECT_EQ(seen.at("attempts"), std::stoi(safe[1])) << model[1];
    EXPECT_GE(seen.at("attempts"), 3000);
    EXPECT_EQ(seen.at("statuses").value("failed", 0), 1);
    EXPECT_THAT(seen.at("about").at("incomplete").get<std::string>(), HasSubstr("a job ended the program that it ran in"));
    EXPECT_EQ(seen.at("about").at("mode"), model[1]);
    EXPECT_THAT(folder.read("run.html"), AllOf(StartsWith("<!doctype html>"), HasSubstr("This run was cut short")));
  }
}

TEST(Trace, OfARunThatGivesUpOnAJobHasWhatEndedBefore) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{kind: noop, matrix: {i: 1..30}}, {kind: misbehave, args: {how: hang}, timeout: 100ms}]\n");
  const Ended ended = folder.run(command(kThreads, {"--report", "run.html"}));
  EXPECT_EQ(ended.status, 1) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("30 outcomes are safe"));
  const json seen = look(folder);
  EXPECT_EQ(seen.at("attempts"), 30);
  EXPECT_TRUE(seen.at("about").contains("incomplete"));
  EXPECT_THAT(folder.read("run.html"), HasSubstr("This run was cut short"));
}

TEST(Trace, ShowsJobsThatWereNeverBegunOnTheMastersLane) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: first, shell: exit 3}, {name: second, shell: \"true\", needs: [first]}]\n");
  EXPECT_EQ(folder.run(command(kShm)).status, 1);
  const json seen = look(folder);
  EXPECT_EQ(seen.at("attempts"), 1);
  EXPECT_EQ(seen.at("instants"), json({{"second", 1}}));
}

TEST(Trace, IsThereAfterAnInterruptToo) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: \"touch ran; sleep 0.3\", matrix: {i: 1..1000}}]\n");
  Running run(folder, words(command(kShm)));
  ASSERT_TRUE(eventually([&] { return folder.exists("ran"); }));
  run.signal(SIGINT);
  EXPECT_EQ(run.wait().status, 130);
  const json seen = look(folder);
  EXPECT_GE(seen.at("attempts"), 1);
  EXPECT_LT(seen.at("attempts"), 1000);
}

TEST(Trace, OfMoreAttemptsThanItHoldsIsThinnedAndSaysSo) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..60000}}]\n");
  const Ended ended = folder.run(command(kShm, {"--ledger", "all"}));
  ASSERT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("runner: `trace.json` is thinned: it has 1 in 2 of 60000 attempts with all their stamps and "
                                   "1 in 1 of 0 others\n"));
  const json seen = look(folder);
  EXPECT_EQ(seen.at("attempts"), 30000);
  EXPECT_EQ(seen.at("about").at("attempts_with_all_stamps"), json({{"all", 60000}, {"in_trace", 30000}, {"one_in", 2}}));
}

// The one attempt in 64 that shows the way there and back must not be what is left out.
TEST(Trace, KeepsWhatWasSampledWhereItIsThinned) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..100000}}]\n");
  ASSERT_EQ(folder.run(command(kShm)).status, 0);
  const json seen = look(folder);
  const json& sampled = seen.at("about").at("attempts_with_all_stamps");
  EXPECT_EQ(sampled.at("one_in"), 1);
  EXPECT_GE(sampled.at("in_trace"), 100000 / 64);
  EXPECT_EQ(seen.at("spans").at("collect"), sampled.at("all"));
  EXPECT_GT(seen.at("about").at("other_attempts").at("one_in"), 1);
}

TEST(Trace, ThatCannotBeWrittenIsRefusedBeforeAnythingRuns) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: touch ran}]\n");
  const Ended missing = folder.run({"--no-store", "--trace", "missing/trace.json", "jobs.yaml"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.err, AllOf(StartsWith("runner: "), HasSubstr("missing/trace.json")));
  const Ended empty = folder.run({"--no-store", "--trace", "", "jobs.yaml"});
  EXPECT_EQ(empty.status, 2);
  EXPECT_THAT(empty.err,
              StartsWith("runner: --trace names no file (an empty variable?); give one, as in --trace trace.json\n"));
  const Ended unmeasured = folder.run({"--no-store", "--trace", "trace.json", "--ledger", "off", "jobs.yaml"});
  EXPECT_EQ(unmeasured.status, 2);
  EXPECT_THAT(unmeasured.err,
              StartsWith("runner: --ledger off measures nothing that --trace could show; leave out one of the two\n"));
  for (const char* option : {"--costs", "--report", "--trace"}) {
    const Ended itself = folder.run({"--no-store", option, "./jobs.yaml", "jobs.yaml"});
    EXPECT_EQ(itself.status, 2);
    EXPECT_THAT(itself.err, HasSubstr(std::string(option) + " `./jobs.yaml` is the batch file itself; give another name"));
  }
  EXPECT_THAT(folder.read("jobs.yaml"), HasSubstr("touch ran"));
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_FALSE(folder.exists("trace.json"));
}

}  // namespace
}  // namespace runner::integration
