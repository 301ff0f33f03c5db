// What of a batch with a plan may start next, and what never will.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <runner/registry.hpp>
#include <string>
#include <vector>

#include "config/read_batch.hpp"
#include "master/backlog.hpp"

namespace runner::master {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A plan as a person would write it; the job names are the letters of the batch.
class Planned {
 public:
  // `well` and `ill`: names of jobs that have ended before.
  explicit Planned(const std::string& jobs, const std::vector<std::string>& well = {}, const std::vector<std::string>& ill = {})
      : batch_(config::read_batch_text("version: 1\njobs:\n" + jobs, "jobs.yaml", "jobs", registry_).value().batch),
        before_(ended(well, ill)),
        backlog(*batch_.plan, batch_.demands.size(), &before_) {}

  std::string take() {
    const Backlog::Place place = backlog.take();
    return name(place.job);
  }
  std::vector<std::string> take_all() {
    std::vector<std::string> names;
    while (backlog.head()) names.push_back(take());
    return names;
  }
  void end(const std::string& job, bool well) {
    const JobId id = batch_.jobs->find(job).value().value();
    backlog.ended(batch_.plan->block_of(id), job, well);
  }
  std::vector<std::string> skip_all() {
    std::vector<std::string> told;
    while (const std::optional<Backlog::Place> place = backlog.skip()) {
      told.push_back(name(place->job) + ": " + backlog.why_skipped(place->block));
      backlog.skipped(*place, name(place->job));
    }
    return told;
  }
  std::string name(JobId id) {
    JobSpec job;
    EXPECT_TRUE(batch_.jobs->at(id, job));
    EXPECT_EQ(job.id, id);
    return job.name;
  }

 private:
  EndedBefore ended(const std::vector<std::string>& well, const std::vector<std::string>& ill) {
    EndedBefore before;
    before.ended.resize(*batch_.size);
    for (const std::string& job : well) before.ended[number(batch_.jobs->find(job).value().value())] = true;
    for (const std::string& job : ill) {
      const JobId id = batch_.jobs->find(job).value().value();
      before.ended[number(id)] = true;
      before.ill.push_back({id, job});
    }
    return before;
  }

  Registry registry_;
  Batch batch_;
  EndedBefore before_;

 public:
  Backlog backlog;
};

TEST(Backlog, LetsAJobGoWhenAllThatItNeedsHaveEndedWell) {
  Planned plan(
      "  - {name: a, kind: noop}\n"
      "  - {name: c, kind: noop, needs: [a, b-*]}\n"
      "  - {name: b, kind: noop, matrix: {i: 1..2}}\n");
  EXPECT_THAT(plan.take_all(), ElementsAre("a", "b-1", "b-2"));
  plan.end("b-2", true);
  plan.end("a", true);
  EXPECT_FALSE(plan.backlog.head());
  EXPECT_FALSE(plan.backlog.empty());
  plan.end("b-1", true);
  EXPECT_THAT(plan.take_all(), ElementsAre("c"));
  EXPECT_TRUE(plan.backlog.empty());
}

TEST(Backlog, SkipsWhatNeedsAJobThatFailedAndWhatNeedsThat) {
  Planned plan(
      "  - {name: a, kind: noop}\n"
      "  - {name: b, kind: noop, needs: [a], matrix: {i: 1..2}}\n"
      "  - {name: c, kind: noop, needs: [b-*]}\n"
      "  - {name: d, kind: noop, needs: [c]}\n"
      "  - {name: e, kind: noop}\n");
  EXPECT_THAT(plan.take_all(), ElementsAre("a", "e"));
  plan.end("a", false);
  EXPECT_THAT(plan.skip_all(),
              ElementsAre("b-1: needs a", "b-2: needs a", "c: needs b-1 (for want of a)", "d: needs c (for want of a)"));
  EXPECT_TRUE(plan.backlog.empty());
  EXPECT_THAT(plan.skip_all(), IsEmpty());
}

TEST(Backlog, SkipsAJobOnceHoweverManyOfItsNeedsFail) {
  Planned plan(
      "  - {name: a, kind: noop}\n"
      "  - {name: b, kind: noop}\n"
      "  - {name: c, kind: noop, needs: [a, b, \"[ab]\"]}\n");
  static_cast<void>(plan.take_all());
  plan.end("b", false);
  EXPECT_THAT(plan.skip_all(), ElementsAre("c: needs b"));
  plan.end("a", false);
  EXPECT_THAT(plan.skip_all(), IsEmpty());
  EXPECT_TRUE(plan.backlog.empty());
}

TEST(Backlog, GivesTheHighestPriorityFirstAndAmongEqualsTheOrderOfTheBatch) {
  Planned plan(
      "  - {name: a, kind: noop}\n"
      "  - {name: b, kind: noop, priority: 5, matrix: {i: 1..2}}\n"
      "  - {name: c, kind: noop, priority: 9, needs: [b-1]}\n"
      "  - {name: d, kind: noop, priority: -1}\n"
      "  - {name: e, kind: noop}\n");
  EXPECT_EQ(plan.take(), "b-1");
  plan.end("b-1", true);
  EXPECT_EQ(plan.backlog.head()->priority, 9);
  EXPECT_THAT(plan.take_all(), ElementsAre("c", "b-2", "a", "e", "d"));
}

const std::string kBefore =
    "  - {name: a, kind: noop, matrix: {i: 1..3}}\n"
    "  - {name: b, kind: noop, needs: [a-*], matrix: {i: 1..2}}\n"
    "  - {name: c, kind: noop, needs: [b-*]}\n"
    "  - {name: d, kind: noop}\n";

TEST(Backlog, CountsWhatEndedWellBeforeAsMet) {
  Planned plan(kBefore, {"a-1", "a-3", "d"});
  EXPECT_THAT(plan.take_all(), ElementsAre("a-2"));
  plan.end("a-2", true);
  EXPECT_THAT(plan.take_all(), ElementsAre("b-1", "b-2"));
  plan.end("b-1", true);
  plan.end("b-2", true);
  EXPECT_THAT(plan.take_all(), ElementsAre("c"));
  EXPECT_TRUE(plan.backlog.empty());
}

TEST(Backlog, BeginsInTheMiddleOfAGraphWhereAllBeforeItHasEnded) {
  Planned plan(kBefore, {"a-1", "a-2", "a-3", "b-1"});
  EXPECT_THAT(plan.take_all(), ElementsAre("b-2", "d"));
  plan.end("b-2", true);
  EXPECT_THAT(plan.take_all(), ElementsAre("c"));
  EXPECT_TRUE(plan.backlog.empty());
}

TEST(Backlog, SkipsWhatNeedsAJobThatFailedBefore) {
  Planned plan(kBefore, {"a-1"}, {"a-3"});
  EXPECT_THAT(plan.skip_all(), ElementsAre("b-1: needs a-3", "b-2: needs a-3", "c: needs b-1 (for want of a-3)"));
  EXPECT_THAT(plan.take_all(), ElementsAre("a-2", "d"));
  plan.end("a-2", true);
  EXPECT_THAT(plan.skip_all(), IsEmpty());
  EXPECT_TRUE(plan.backlog.empty());
}

TEST(Backlog, IsEmptyWhenEverythingHasEndedBefore) {
  Planned plan(kBefore, {"a-1", "a-2", "d"}, {"a-3", "b-1", "b-2", "c"});
  EXPECT_TRUE(plan.backlog.empty());
  EXPECT_FALSE(plan.backlog.head());
  EXPECT_THAT(plan.skip_all(), IsEmpty());
}

}  // namespace
}  // namespace runner::master
