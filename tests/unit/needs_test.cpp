// What jobs may need, and what is said about needs that cannot be met; the rules of retries in the file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <runner/registry.hpp>
#include <string>
#include <vector>

#include "config/read_batch.hpp"

namespace runner {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using testing::UnorderedElementsAre;

Registry& registry() {
  static Registry all;
  return all;
}

Result<config::CheckedBatch> read(const std::string& jobs) {
  return config::read_batch_text("version: 1\njobs:\n" + jobs, "jobs.yaml", "jobs", registry());
}

std::string error(const std::string& jobs) {
  const Result<config::CheckedBatch> checked = read(jobs);
  return checked ? "no error" : checked.error().text;
}

// Names of the jobs that this one needs.
std::vector<std::string> needs(const std::string& jobs, const std::string& name) {
  Result<config::CheckedBatch> checked = read(jobs);
  if (!checked) return {checked.error().text};
  Batch& batch = checked->batch;
  const Plan& plan = *batch.plan;
  std::vector<std::string> names;
  for (const std::uint32_t g : plan.needs[plan.block_of(batch.jobs->find(name).value().value())]) {
    for (const std::uint32_t b : plan.members[g]) {
      for (std::uint64_t i = 0; i < plan.blocks[b].size; ++i) {
        JobSpec job;
        EXPECT_TRUE(batch.jobs->at(JobId{number(plan.blocks[b].first) + i}, job));
        names.push_back(job.name);
      }
    }
  }
  return names;
}

TEST(Needs, AreNamesAndPatternsOverSweeps) {
  const std::string sweeps =
      "  - {name: one, kind: noop}\n"
      "  - {name: \"x-${{ a }}-${{ b }}\", kind: noop, matrix: {a: [p, q], b: 1..3}}\n"
      "  - {name: y, kind: noop, matrix: {i: 1..12}}\n"
      "  - {name: some, kind: noop, needs: [\"x-q-*\", y-11, \"y-?\", one]}\n";
  EXPECT_THAT(needs(sweeps, "some"), UnorderedElementsAre("one", "x-q-1", "x-q-2", "x-q-3", "y-11", "y-1", "y-2", "y-3", "y-4",
                                                          "y-5", "y-6", "y-7", "y-8", "y-9"));
}

TEST(Needs, MayNameAJobOfAnotherSweepByTheMatrix) {
  const std::string jobs =
      "  - {name: \"cut-${{ f }}\", kind: noop, matrix: {f: [a, b]}}\n"
      "  - {name: \"sew-${{ f }}\", kind: noop, needs: [\"cut-${{ f }}\"], matrix: {f: [a, b]}}\n";
  EXPECT_THAT(needs(jobs, "sew-a"), ElementsAre("cut-a"));
  EXPECT_THAT(needs(jobs, "sew-b"), ElementsAre("cut-b"));
}

TEST(Needs, OfASweepOfTenMillionAreTwoBlocks) {
  const Result<config::CheckedBatch> checked = read(
      "  - {name: first, kind: noop}\n"
      "  - {name: many, kind: noop, needs: [first], matrix: {i: 1..10000000}}\n"
      "  - {name: last, kind: noop, needs: [\"many-*\", many-7]}\n");
  ASSERT_TRUE(checked) << checked.error().text;
  EXPECT_EQ(checked->batch.plan->blocks.size(), 5U);  // many-1..6, many-7, many-8.. are three of them
}

TEST(Needs, AreWhatMakesAPlan) {
  EXPECT_FALSE(read("  - {name: a, kind: noop, priority: 3}\n  - {name: b, kind: noop, priority: 3}\n")->batch.plan);
  EXPECT_TRUE(read("  - {name: a, kind: noop, priority: 3}\n  - {name: b, kind: noop}\n")->batch.plan);
  EXPECT_FALSE(read("  - {name: a, kind: noop, cpus: 3}\n  - {name: b, kind: noop, cpus: 3}\n")->batch.plan);
  const Result<config::CheckedBatch> taking = read("  - {name: a, kind: noop, cpus: 3}\n  - {name: b, kind: noop}\n");
  ASSERT_TRUE(taking->batch.plan);
  EXPECT_EQ(taking->batch.plan->blocks.at(0).demand, 1U);
  EXPECT_EQ(taking->batch.plan->blocks.at(1).demand, 0U);
  EXPECT_EQ(taking->batch.demands.at(1).cpus, 3U);
  EXPECT_TRUE(read("  - {name: a, kind: noop}\n  - {name: b, kind: noop, needs: [a]}\n")->batch.plan);
}

TEST(Needs, ThatMatchNothingAreAnErrorWithItsPlaceAndANearMiss) {
  EXPECT_EQ(error("  - {name: prepare, kind: noop}\n  - {name: b, kind: noop, needs: [prepair]}\n"),
            "jobs.yaml:4:35: `needs` names a job `prepair`, which does not exist in this file; did you mean `prepare`?");
  EXPECT_EQ(
      error("  - {name: \"thumb-${{ i }}\", kind: noop, matrix: {i: 1..3}}\n  - {name: b, kind: noop, needs: [\"thum-*\"]}\n"),
      "jobs.yaml:4:35: `needs` names the pattern `thum-*`, which matches no job of this file; did you mean `thumb-*`?");
  EXPECT_THAT(error("  - {name: x, kind: noop, matrix: {i: 1..3}}\n  - {name: b, kind: noop, needs: [x-4]}\n"),
              HasSubstr("`x-4`"));
  EXPECT_THAT(error("  - {name: x, kind: noop, matrix: {i: 1..3}}\n  - {name: b, kind: noop, needs: [x-01]}\n"),
              HasSubstr("`x-01`"));
  EXPECT_THAT(error("  - {name: x, kind: noop, matrix: {i: 1..3}}\n  - {name: b, kind: noop, needs: [x]}\n"),
              HasSubstr("there are 3 jobs of that entry; did you mean `x-*`?"));
}

TEST(Needs, InACycleArePrintedAsAPath) {
  EXPECT_EQ(error("  - {name: a, kind: noop, needs: [c]}\n"
                  "  - {name: b, kind: noop, needs: [a]}\n"
                  "  - {name: c, kind: noop, needs: [b]}\n"
                  "  - {name: d, kind: noop, needs: [c]}\n"),
            "jobs.yaml:3:35: these jobs wait for each other, so that none could ever start: `a` needs `c` needs `b` needs `a`");
  EXPECT_THAT(error("  - {name: thumb-1, kind: noop}\n  - {name: thumb-sheet, kind: noop, needs: [\"thumb-*\"]}\n"),
              HasSubstr("`thumb-sheet` needs `thumb-sheet`"));
  EXPECT_THAT(error("  - {name: x, kind: noop, needs: [x-2], matrix: {i: 1..3}}\n"), HasSubstr("`x-2` needs `x-2`"));
}

TEST(Needs, InALongCycleArePrintedInPart) {
  std::string jobs;
  for (int i = 0; i < 1000; ++i) {
    jobs += "  - {name: j" + std::to_string(i) + ", kind: noop, needs: [j" + std::to_string((i + 1) % 1000) + "]}\n";
  }
  const std::string text = error(jobs);
  EXPECT_THAT(text, AllOf(HasSubstr("`j0` needs `j1`"), HasSubstr("more"), HasSubstr("`j999` needs `j0`")));
  EXPECT_LT(text.size(), 400U);
}

TEST(Needs, MustBeAListOfNames) {
  EXPECT_THAT(error("  - {name: a, kind: noop, needs: b}\n"), StartsWith("jobs.yaml:3:"));
  EXPECT_THAT(error("  - {name: a, kind: noop, needs: [\"\"]}\n"), HasSubstr("empty"));
  EXPECT_THAT(error("  - {name: a, kind: noop, needs: [\"${{ x }}\"]}\n"), HasSubstr("not defined"));
  EXPECT_EQ(error("  - {name: a, kind: noop, needs: []}\n"), "no error");
}

TEST(Rules, AreThoseOfTheJobOrOfTheDefaults) {
  Result<config::CheckedBatch> checked = config::read_batch_text(
      "version: 1\n"
      "defaults: {retries: 5, retry_on: [crashed], crash_limit: 7, backoff: {initial: 10m}, priority: 2}\n"
      "jobs:\n"
      "  - {name: a, kind: noop}\n"
      "  - {name: b, kind: noop, retry_on: [out_of_memory, failed], crash_limit: 1, priority: -2,\n"
      "     backoff: {initial: 1s, factor: 1.5, max: 1h, jitter: 0.25}}\n",
      "jobs.yaml", "jobs", registry());
  ASSERT_TRUE(checked) << checked.error().text;
  JobSpec a, b;
  ASSERT_TRUE(checked->batch.jobs->next(a).value());
  ASSERT_TRUE(checked->batch.jobs->next(b).value());
  EXPECT_EQ(a.retries, 5U);
  EXPECT_TRUE(a.retry_on.crashed && !a.retry_on.failed && !a.retry_on.timed_out && !a.retry_on.out_of_memory);
  EXPECT_EQ(a.crash_limit, 7U);
  EXPECT_EQ(a.backoff.initial, std::chrono::minutes(10));
  EXPECT_EQ(a.backoff.max, std::chrono::minutes(10));
  EXPECT_EQ(a.priority, 2);
  EXPECT_TRUE(!b.retry_on.crashed && b.retry_on.failed && !b.retry_on.timed_out && b.retry_on.out_of_memory);
  EXPECT_EQ(b.crash_limit, 1U);
  EXPECT_EQ(b.backoff.factor, 1.5);
  EXPECT_EQ(b.backoff.max, std::chrono::hours(1));
  EXPECT_EQ(b.backoff.jitter, 0.25);
  EXPECT_EQ(b.priority, -2);
}

TEST(Rules, ThatCannotBeAreRefused) {
  const auto with = [](const std::string& rule) { return error("  - {name: a, kind: noop, " + rule + "}\n"); };
  EXPECT_THAT(with("retry_on: crashed"), HasSubstr("list"));
  EXPECT_THAT(with("retry_on: []"), HasSubstr("empty"));
  EXPECT_THAT(with("retry_on: [crash]"), HasSubstr("found `crash`"));
  EXPECT_THAT(with("retry_on: [timedout]"), HasSubstr("did you mean `timed_out`?"));
  EXPECT_THAT(with("backoff: 1s"), HasSubstr("mapping"));
  EXPECT_THAT(with("backoff: {}"), HasSubstr("`initial`"));
  EXPECT_THAT(with("backoff: {initial: 1}"), HasSubstr("`initial`"));
  EXPECT_THAT(with("backoff: {initial: 1s, factor: 0.5}"), HasSubstr("`factor`"));
  EXPECT_THAT(with("backoff: {initial: 1s, max: 1ms}"), HasSubstr("shorter"));
  EXPECT_THAT(with("backoff: {initial: 1s, jitter: 2}"), HasSubstr("jitter"));
  EXPECT_THAT(with("backoff: {initial: 1s, jitter: -1}"), HasSubstr("jitter"));
  EXPECT_THAT(with("backoff: {initial: 1s, facter: 2}"), HasSubstr("did you mean `factor`?"));
  EXPECT_THAT(with("crash_limit: 0"), HasSubstr("`crash_limit`"));
  EXPECT_THAT(with("priority: high"), HasSubstr("`priority`"));
  EXPECT_THAT(with("priority: 3000000000"), HasSubstr("`priority`"));
}

}  // namespace
}  // namespace runner
