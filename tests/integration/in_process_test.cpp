// What the models without isolation cannot do, they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class InProcess : public testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }
  Folder folder_;
};
INSTANTIATE_TEST_SUITE_P(Models, InProcess, testing::Values("serial", "threads", "async"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(InProcess, ACrashEndsTheProgramBySignalAfterNamingTheJobAndSavingTheOthers) {
  folder_.write("jobs.yaml",
                "version: 1\njobs: [{name: ok, kind: noop, matrix: {i: 1..20}}, {name: wait, kind: sleep, args: {duration: "
                "300ms}}, {name: seg, kind: misbehave, args: {how: segfault}}]\n");
  const Ended ended =
      folder_.run({"--mode", GetParam(), "--procs", "1", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 128 + SIGSEGV) << ended.err;
  EXPECT_THAT(ended.err, AllOf(HasSubstr("the job `seg` crashed with SIGSEGV"), HasSubstr("--mode processes")));
  const std::string results = folder_.read("r.jsonl");
  const auto safe = std::count(results.begin(), results.end(), '\n');
  EXPECT_THAT(ended.err, HasSubstr(std::to_string(safe) + " outcomes are safe"));
  // On threads the loop may not have heard of the job before when the next one crashes.
  EXPECT_GE(safe, 20);
}

TEST_P(InProcess, AJobThatLooksAtItsStopTokenTimesOut) {
  folder_.write("jobs.yaml",
                "version: 1\njobs: [{name: s, kind: spin, args: {duration: 1000s}, timeout: 200ms}, {kind: noop}]\n");
  const Ended ended = folder_.run({"--mode", GetParam(), "--progress", "none", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("s: timed out after 200 ms"), HasSubstr("1 ok")));
}

TEST_P(InProcess, AJobThatDoesNotReturnEndsTheRunWithItsNameAndWhatIsSafe) {
  folder_.write("jobs.yaml",
                "version: 1\njobs: [{name: ok, kind: noop, matrix: {i: 1..5}}, {name: stuck, kind: misbehave, args: {how: "
                "hang}, timeout: 200ms}]\n");
  const Ended ended =
      folder_.run({"--mode", GetParam(), "--procs", "1", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("the job `stuck` was asked to return at its timeout of 200 ms and did not"), HasSubstr("5 outcomes are safe"), HasSubstr("--mode processes")));
  const std::string results = folder_.read("r.jsonl");
  EXPECT_EQ(std::count(results.begin(), results.end(), '\n'), 5);
}

TEST_P(InProcess, AnExceptionIsAFailedJob) {
  folder_.write("jobs.yaml", "version: 1\njobs: [{name: t, kind: misbehave, args: {how: throw}}, {kind: noop}]\n");
  const Ended ended = folder_.run({"--mode", GetParam(), "--progress", "none", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("1 failed"), HasSubstr("1 ok")));
}

// The models in which a later job can end before an earlier one.
class Overlapping : public InProcess {};
INSTANTIATE_TEST_SUITE_P(Models, Overlapping, testing::Values("threads", "async"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(Overlapping, ACrashCountsOnlyWhatIsReallySafeWhenTheOrderIsKept) {
  folder_.write("jobs.yaml",
                "version: 1\njobs: [{name: ok, kind: noop, matrix: {i: 1..3}}, {name: slow, command: [sleep, \"1000\"]}, "
                "{name: quick, kind: noop, matrix: {i: 1..5}}, {name: wait, kind: sleep, args: {duration: 300ms}}, {name: seg, "
                "kind: misbehave, args: {how: segfault}}]\n");
  const Ended ended = folder_.run(
      {"--mode", GetParam(), "--procs", "2", "--keep-order", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 128 + SIGSEGV) << ended.err;
  const std::string results = folder_.read("r.jsonl");
  const auto safe = std::count(results.begin(), results.end(), '\n');
  EXPECT_THAT(ended.err, HasSubstr("; " + std::to_string(safe) + " outcomes are safe"));
}

}  // namespace
}  // namespace runner::integration
