// The scheduler's reactions, one at a time: and nothing else was asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "master/scheduler.hpp"

namespace runner::master {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{};

JobSpec one_retry() {
  JobSpec rules;
  rules.retries = 1;
  return rules;
}

class OneJob {
 public:
  explicit OneJob(bool can_end_jobs, Work work = TypedWork{}, JobSpec rules = one_retry()) : scheduler(can_end_jobs) {
    JobSpec& job = scheduler.vacancy();
    job = std::move(rules);
    job.name = "job";
    job.work = std::move(work);
    job.timeout = seconds(10);
    scheduler.offer(actions);
    scheduler.source_ended(actions);
    actions.clear();
  }
  void begin(TimePoint at) {
    JobStarted started{JobId{0}, Attempt{1}, WorkerId{3}, at};
    scheduler.on(started, at, actions);
  }
  void end(Ending ending, TimePoint at, Attempt attempt = Attempt{1}, bool worker_died = false) {
    JobEnded ended{JobId{0}, attempt, WorkerId{3}, {}, worker_died};
    ended.outcome.ending = std::move(ending);
    scheduler.on(ended, at, actions);
  }
  Scheduler scheduler;
  Actions actions;
};

TEST(Scheduler, CountsWhatAJobHasSpentBeforeTheRunBegan) {
  for (const auto& [before, again] : {std::pair(EndedBefore::Spent{1, 0}, true), std::pair(EndedBefore::Spent{2, 0}, false),
                                      std::pair(EndedBefore::Spent{1, 2}, false)}) {
    EndedBefore ended;
    ended.spent[0] = before;
    Scheduler::Rules rules;
    rules.before = &ended;
    Scheduler scheduler(true, rules);
    Actions actions;
    JobSpec& job = scheduler.vacancy();
    job.retries = 2;
    job.crash_limit = 3;
    scheduler.offer(actions);
    actions.clear();
    JobEnded died{JobId{0}, Attempt{1}, WorkerId{0}, {}, true};
    died.outcome.ending = Crashed{11, {}};
    scheduler.on(died, kStart, actions);
    ASSERT_EQ(actions.size(), 1U);
    EXPECT_EQ(std::holds_alternative<ReportRetry>(actions[0]), again);
    if (const auto* over = std::get_if<ReportJob>(&actions[0]); over != nullptr) {
      EXPECT_EQ(over->outcome.quarantined, before.crashes == 2);
    }
  }
}

TEST(Scheduler, GivesATypedJobItsWholeGraceAfterAnInterruptEvenIfItsTimeoutComesFirst) {
  OneJob one(false);
  one.begin(kStart);
  one.scheduler.interrupt(kStart + milliseconds(9'400), one.actions);
  one.scheduler.interrupt(kStart + milliseconds(9'500), one.actions);
  one.actions.clear();
  one.scheduler.tick(kStart + milliseconds(10'100), one.actions);
  EXPECT_TRUE(one.actions.empty());
  one.scheduler.tick(kStart + milliseconds(11'500), one.actions);
  ASSERT_EQ(one.actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<GiveUp>(one.actions[0]));
}

TEST(Scheduler, NeverGivesUpACommand) {
  OneJob one(false, CommandWork{});
  one.begin(kStart);
  one.scheduler.tick(kStart + seconds(10), one.actions);
  ASSERT_EQ(one.actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<StopJob>(one.actions[0]));
  one.actions.clear();
  one.scheduler.tick(kStart + seconds(100), one.actions);
  EXPECT_TRUE(one.actions.empty());
}

TEST(Scheduler, ReportsWhatBecameOfAJobThatWaitsForARetryWhenItIsInterrupted) {
  OneJob one(true);
  one.end(Failed{"no"}, kStart);
  ASSERT_EQ(one.actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<ReportRetry>(one.actions[0]));
  one.actions.clear();
  one.scheduler.interrupt(kStart, one.actions);
  ASSERT_EQ(one.actions.size(), 2U);
  const ReportJob& report = std::get<ReportJob>(one.actions[0]);
  EXPECT_EQ(std::get<Failed>(report.outcome.ending).reason, "no");
  EXPECT_EQ(report.attempts, Attempt{1});
  EXPECT_EQ(report.worker, WorkerId{3});
  EXPECT_TRUE(std::holds_alternative<TakeBackUnstarted>(one.actions[1]));
  EXPECT_TRUE(one.scheduler.done());
}

TEST(Scheduler, ReportsTheAttemptBeforeOneThatCameBackUnstarted) {
  OneJob one(true);
  one.end(Crashed{11, {}}, kStart);
  one.actions.clear();
  EXPECT_EQ(one.scheduler.start_waiting(1, one.actions), 1U);
  one.actions.clear();
  one.scheduler.halt(one.actions);
  one.actions.clear();
  JobReturned returned{JobId{0}, Attempt{2}};
  one.scheduler.on(returned, kStart, one.actions);
  ASSERT_EQ(one.actions.size(), 1U);
  EXPECT_EQ(std::get<Crashed>(std::get<ReportJob>(one.actions[0]).outcome.ending).signal, 11);
  EXPECT_TRUE(one.scheduler.done());
}

// ---- retries ----

TEST(Scheduler, WaitsForTheTimeOfTheNextAttempt) {
  JobSpec rules = one_retry();
  rules.backoff.initial = seconds(2);
  OneJob one(true, TypedWork{}, rules);
  one.end(Failed{"no"}, kStart + seconds(1));
  one.actions.clear();
  EXPECT_EQ(one.scheduler.next_deadline(), kStart + seconds(3));
  one.scheduler.tick(kStart + milliseconds(2'999), one.actions);
  EXPECT_EQ(one.scheduler.start_waiting(1, one.actions), 0U);
  EXPECT_FALSE(one.scheduler.done());
  one.scheduler.tick(kStart + seconds(3), one.actions);
  EXPECT_EQ(one.scheduler.start_waiting(1, one.actions), 1U);
  ASSERT_EQ(one.actions.size(), 1U);
  EXPECT_EQ(std::get<StartJob>(one.actions[0]).attempt, Attempt{2});
  EXPECT_EQ(one.scheduler.next_deadline(), std::nullopt);
}

TEST(Scheduler, ReportsAJobWhoseTimeHasNotComeWhenItIsInterrupted) {
  JobSpec rules = one_retry();
  rules.backoff.initial = seconds(2);
  OneJob one(true, TypedWork{}, rules);
  one.end(Failed{"no"}, kStart);
  one.actions.clear();
  one.scheduler.interrupt(kStart, one.actions);
  ASSERT_EQ(one.actions.size(), 2U);
  EXPECT_EQ(std::get<ReportJob>(one.actions[0]).attempts, Attempt{1});
  EXPECT_TRUE(one.scheduler.done());
  EXPECT_EQ(one.scheduler.next_deadline(), std::nullopt);
}

TEST(Scheduler, RetriesOnlyTheEndingsThatRetryOnNames) {
  JobSpec rules = one_retry();
  rules.retry_on = {false, true, false, true};
  OneJob failed(true, TypedWork{}, rules), memory(true, TypedWork{}, rules);
  failed.end(Failed{"no"}, kStart);
  EXPECT_TRUE(std::holds_alternative<ReportJob>(failed.actions.at(0)));
  memory.end(OutOfMemory{"big"}, kStart);
  EXPECT_TRUE(std::holds_alternative<ReportRetry>(memory.actions.at(0)));
}

TEST(Scheduler, QuarantinesAJobThatKilledAsManyWorkersAsItMay) {
  JobSpec rules;
  rules.retries = 100;
  OneJob one(true, TypedWork{}, rules);
  for (std::uint32_t attempt = 1; attempt <= 4; ++attempt) {
    one.actions.clear();
    // The third attempt fails without harm to its worker, which counts for nothing.
    attempt == 3 ? one.end(Failed{"no"}, kStart, Attempt{attempt}) : one.end(Crashed{11, {}}, kStart, Attempt{attempt}, true);
    if (attempt == 4) break;
    ASSERT_TRUE(std::holds_alternative<ReportRetry>(one.actions.at(0))) << attempt;
    EXPECT_EQ(one.scheduler.start_waiting(1, one.actions), 1U);
  }
  const ReportJob& report = std::get<ReportJob>(one.actions.at(0));
  EXPECT_TRUE(report.outcome.quarantined);
  EXPECT_EQ(describe(report.outcome), "crashed: SIGSEGV; quarantined");
  EXPECT_EQ(report.attempts, Attempt{4});
  EXPECT_TRUE(one.scheduler.done());
}

TEST(Scheduler, EndsAJobByItsRetriesWhenTheyAreUsedUpBeforeTheCrashLimit) {
  OneJob one(true);
  one.end(Crashed{11, {}}, kStart, Attempt{1}, true);
  one.actions.clear();
  EXPECT_EQ(one.scheduler.start_waiting(1, one.actions), 1U);
  one.actions.clear();
  one.end(Crashed{11, {}}, kStart, Attempt{2}, true);
  EXPECT_FALSE(std::get<ReportJob>(one.actions.at(0)).outcome.quarantined);
}

TEST(Scheduler, NeverQuarantinesACommandThatCrashedInAWorkerWhichLives) {
  JobSpec rules;
  rules.crash_limit = 1;
  OneJob one(true, CommandWork{}, rules);
  one.end(Crashed{11, {}}, kStart);
  EXPECT_FALSE(std::get<ReportJob>(one.actions.at(0)).outcome.quarantined);
}

// ---- halt ----

class ThreeJobs {
 public:
  explicit ThreeJobs(std::string_view halt, std::optional<std::uint64_t> size = 10, bool may_fail = false,
                     const EndedBefore* before = nullptr)
      : scheduler(true, {nullptr, HaltRule::parse(halt).value(), size, before, 3}) {
    for (std::uint64_t i = 0; i < 3; ++i) {
      JobSpec& job = scheduler.vacancy();
      job = JobSpec{};
      job.id = JobId{i};
      job.allow_failure = may_fail;
      scheduler.offer(actions);
    }
    actions.clear();
  }
  void end(std::uint64_t job, Ending ending) {
    JobEnded ended{JobId{job}, Attempt{1}, WorkerId{0}, {}};
    ended.outcome.ending = std::move(ending);
    scheduler.on(ended, kStart, actions);
  }
  [[nodiscard]] std::size_t stops() const {
    return static_cast<std::size_t>(
        std::count_if(actions.begin(), actions.end(), [](const Action& one) { return std::holds_alternative<StopJob>(one); }));
  }
  Scheduler scheduler;
  Actions actions;
};

TEST(Halt, SoonLetsRunningJobsFinishAndStartsNoMore) {
  ThreeJobs three("soon,fail=2");
  three.end(0, Failed{"no"});
  EXPECT_TRUE(three.scheduler.wants_jobs());
  three.end(1, Crashed{11, {}});
  EXPECT_FALSE(three.scheduler.wants_jobs());
  EXPECT_TRUE(three.scheduler.halted());
  EXPECT_EQ(three.stops(), 0U);
  EXPECT_FALSE(three.scheduler.done());
  three.end(2, Succeeded{});
  EXPECT_TRUE(three.scheduler.done());
}

TEST(Halt, LetsNothingLieBehindAJobThatMayBeTheLast) {
  ThreeJobs first("soon,fail=3"), far("soon,fail=4"), share("soon,done=31%");
  EXPECT_FALSE(first.scheduler.wants_jobs()) << "all places are taken, and the three that run may fail";
  EXPECT_TRUE(far.scheduler.wants_jobs()) << "they cannot be enough";
  EXPECT_TRUE(share.scheduler.wants_jobs());
  first.end(0, Succeeded{});
  EXPECT_TRUE(first.scheduler.wants_jobs()) << "a place is free";
  far.end(0, Failed{"no"});
  EXPECT_TRUE(far.scheduler.wants_jobs());
  share.end(0, Failed{"no"});
  share.end(1, Failed{"no"});
  EXPECT_TRUE(share.scheduler.wants_jobs());
}

TEST(Halt, NowEndsThem) {
  ThreeJobs three("now,success=1");
  three.end(1, Succeeded{});
  EXPECT_EQ(three.stops(), 2U);
  for (const Action& action : three.actions) {
    const auto* stop = std::get_if<StopJob>(&action);
    EXPECT_TRUE(stop == nullptr || stop->reason == StopReason::halt);
  }
}

TEST(Halt, DoesNotCountAJobThatMayFailAsFailedButAsDone) {
  ThreeJobs failing("soon,fail=1", 10, true), ending("soon,done=1", 10, true), well("soon,success=1", 10, true);
  for (ThreeJobs* three : {&failing, &ending, &well}) three->end(0, Failed{"no"});
  EXPECT_FALSE(failing.scheduler.halted());
  EXPECT_TRUE(ending.scheduler.halted());
  EXPECT_FALSE(well.scheduler.halted());
}

TEST(Halt, TakesAShareOfAllJobsOfTheBatch) {
  ThreeJobs three("soon,done=20%");
  three.end(0, Succeeded{});
  EXPECT_FALSE(three.scheduler.halted());
  three.end(1, Succeeded{});
  EXPECT_TRUE(three.scheduler.halted());
}

TEST(Halt, OfAShareCountsWhatHadEndedBeforeTheRunWasResumedAndOfANumberDoesNot) {
  EndedBefore before;
  before.jobs = 10;
  before.tally = {.failed = 1, .succeeded = 4, .done = 5};
  // Of the 5 that are left.
  ThreeJobs share("soon,fail=20%", 5, false, &before), number("soon,fail=2", 5, false, &before);
  for (ThreeJobs* three : {&share, &number}) three->end(0, Failed{"no"});
  EXPECT_TRUE(share.scheduler.halted());
  EXPECT_FALSE(number.scheduler.halted());
}

TEST(Halt, OfAShareThatHadBeenReachedStartsNothing) {
  EndedBefore before;
  before.jobs = 10;
  before.tally = {.failed = 1, .succeeded = 4, .done = 5};
  Scheduler scheduler(true, {nullptr, HaltRule::parse("soon,fail=10%").value(), 5, &before, 3});
  EXPECT_FALSE(scheduler.wants_jobs());
  EXPECT_TRUE(scheduler.halted());
  EXPECT_TRUE(scheduler.done());
}

TEST(Halt, OfAShareWaitsUntilItIsKnownHowManyJobsThereAre) {
  ThreeJobs three("soon,fail=10%", std::nullopt);
  three.end(0, Failed{"no"});
  EXPECT_FALSE(three.scheduler.halted());
  three.scheduler.source_ended(three.actions);
  EXPECT_TRUE(three.scheduler.halted());
}

TEST(HaltRule, IsReadAsGnuParallelWritesItAndWrittenBack) {
  for (const char* text : {"now,fail=1", "soon,fail=30%", "now,success=3", "soon,done=1000000", "now,done=0.5%"}) {
    EXPECT_EQ(HaltRule::parse(text).value()->text(), text);
  }
  EXPECT_FALSE(HaltRule::parse("never").value());
}

TEST(HaltRule, IsReadInItsOldFormsToo) {
  for (const auto& [old, now] : {std::pair{"1", "soon,fail=1"},
                                 {"2", "now,fail=1"},
                                 {"-1", "soon,success=1"},
                                 {"-2", "now,success=1"},
                                 {"30%", "soon,fail=30%"}}) {
    EXPECT_EQ(HaltRule::parse(old).value()->text(), now);
  }
  EXPECT_FALSE(HaltRule::parse("0").value());
}

TEST(HaltRule, SaysWhatIsWrong) {
  const auto error = [](std::string_view text) { return HaltRule::parse(text).error().text; };
  for (const char* text : {"", "now", "now,", "later,fail=1", "now,fails=1", "now,fail=0", "now,fail=-1", "now,fail=1.5",
                           "now,fail=101%", "now,fail=nan", "now,fail=%", "fail=1,now", "3", "-3", "101%", "%"}) {
    EXPECT_NE(error(text).find("now|soon,fail|success|done=N|N%"), std::string::npos) << text;
  }
}

// ---- what jobs take ----

// Jobs of which each takes what its demand says; fills as a run does, with room for many.
class Taking {
 public:
  explicit Taking(std::vector<std::uint32_t> demands_of_jobs)
      : wanted(std::move(demands_of_jobs)),
        scheduler(true, {nullptr, std::nullopt, wanted.size(), nullptr, 4, resources, demands}) {}
  // The numbers of the jobs that start now.
  std::vector<std::uint64_t> fill() {
    for (std::size_t before = SIZE_MAX; before != actions.size();) {
      before = actions.size();
      if (scheduler.start_waiting(100, actions) != 0) continue;
      while (scheduler.wants_jobs()) {
        if (given == wanted.size()) {
          scheduler.source_ended(actions);
          break;
        }
        JobSpec& job = scheduler.vacancy();
        job = JobSpec{};
        job.id = JobId{given};
        job.demand = wanted[given++];
        scheduler.offer(actions);
      }
    }
    std::vector<std::uint64_t> started;
    for (const Action& action : actions) {
      if (const auto* start = std::get_if<StartJob>(&action)) started.push_back(number(start->job->id));
    }
    actions.clear();
    return started;
  }
  void end(std::uint64_t job, Ending ending = Succeeded{}) {
    JobEnded ended{JobId{job}, Attempt{1}, WorkerId{0}, {}};
    ended.outcome.ending = std::move(ending);
    scheduler.on(ended, kStart, actions);
    actions.clear();
    scheduler.recycle();
  }
  using Started = std::vector<std::uint64_t>;
  const std::vector<Resource> resources{{"license", 2}};
  const std::vector<Demand> demands{{}, {1, {1}, {}}, {4, {}, {}}, {3, {}, {}}};
  std::vector<std::uint32_t> wanted;
  std::size_t given = 0;
  Actions actions;
  Scheduler scheduler;
};

TEST(Taking, AJobOfFourProcessorsTakesFourPlaces) {
  Taking jobs({2, 0, 0});
  EXPECT_EQ(jobs.fill(), Taking::Started{0});
  jobs.end(0);
  EXPECT_EQ(jobs.fill(), (Taking::Started{1, 2}));
}

TEST(Taking, SmallOnesDoNotStarveABigOne) {
  Taking jobs({0, 0, 2, 0, 0, 0});
  EXPECT_EQ(jobs.fill(), (Taking::Started{0, 1}));
  jobs.end(0);
  EXPECT_EQ(jobs.fill(), Taking::Started{});
  jobs.end(1);
  EXPECT_EQ(jobs.fill(), Taking::Started{2});
}

TEST(Taking, AsManyRunAsThereAreOfAResource) {
  Taking jobs({1, 1, 1, 1});
  EXPECT_EQ(jobs.fill(), (Taking::Started{0, 1}));
  jobs.end(1);
  EXPECT_EQ(jobs.fill(), Taking::Started{2});
}

TEST(Taking, AJobThatIsTriedAgainTakesItsPlacesAgain) {
  Taking jobs({3, 0, 0});
  EXPECT_EQ(jobs.fill(), (Taking::Started{0, 1}));
  JobReturned returned{JobId{0}, Attempt{1}};
  jobs.scheduler.on(returned, kStart, jobs.actions);
  EXPECT_EQ(jobs.fill(), (Taking::Started{0}));
  jobs.end(0);
  EXPECT_EQ(jobs.fill(), Taking::Started{2});
}

TEST(Taking, WhatWaitsForItsPlacesWasNeverStartedWhenTheRunIsInterrupted) {
  Taking jobs({2, 2});
  EXPECT_EQ(jobs.fill(), Taking::Started{0});
  jobs.scheduler.interrupt(kStart, jobs.actions);
  ASSERT_EQ(jobs.actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<TakeBackUnstarted>(jobs.actions[0]));
  jobs.end(0);
  EXPECT_TRUE(jobs.scheduler.done());
}

TEST(Memory, StartsNothingWhileThereIsTooLittleAndTakesBackWhatWasNotBegun) {
  Taking jobs({0, 0, 0});
  jobs.scheduler.memory(false, jobs.actions);
  ASSERT_EQ(jobs.actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<TakeBackUnstarted>(jobs.actions[0]));
  jobs.scheduler.memory(false, jobs.actions);
  EXPECT_EQ(jobs.actions.size(), 1U) << "once is enough";
  EXPECT_EQ(jobs.fill(), Taking::Started{});
  jobs.scheduler.memory(true, jobs.actions);
  EXPECT_EQ(jobs.fill(), (Taking::Started{0, 1, 2}));
}

TEST(Pausing, StartsNothingAndTakesBackWhatWasNotBegunUntilItGoesOn) {
  Taking jobs({0, 0, 0});
  jobs.scheduler.pause(true, jobs.actions);
  ASSERT_EQ(jobs.actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<TakeBackUnstarted>(jobs.actions[0]));
  jobs.scheduler.pause(true, jobs.actions);
  EXPECT_EQ(jobs.actions.size(), 1U) << "once is enough";
  EXPECT_EQ(jobs.fill(), Taking::Started{});
  jobs.scheduler.pause(false, jobs.actions);
  EXPECT_EQ(jobs.fill(), (Taking::Started{0, 1, 2}));
}

TEST(Pausing, DoesNotKeepARunThatHasNothingLeftFromItsEnd) {
  Taking jobs({0, 0});
  EXPECT_EQ(jobs.fill(), (Taking::Started{0, 1}));
  jobs.scheduler.pause(true, jobs.actions);
  jobs.end(0);
  jobs.end(1);
  EXPECT_EQ(jobs.fill(), Taking::Started{});
  EXPECT_TRUE(jobs.scheduler.done());
}

TEST(Pausing, KeepsWhatItHasSeenOfTheSourceForWhenItGoesOn) {
  Taking jobs({0, 0, 0});
  jobs.scheduler.pause(true, jobs.actions);
  EXPECT_EQ(jobs.fill(), Taking::Started{});
  EXPECT_FALSE(jobs.scheduler.done());
  EXPECT_EQ(jobs.given, 1U) << "one is enough to know that there is no end";
  jobs.scheduler.pause(false, jobs.actions);
  EXPECT_EQ(jobs.fill(), (Taking::Started{0, 1, 2}));
}

// ---- backoff ----

TEST(Backoff, GrowsByItsFactorUpToItsMaximum) {
  const Backoff backoff{seconds(1), 3, seconds(10), 0};
  EXPECT_EQ(backoff.after(JobId{7}, Attempt{1}), seconds(1));
  EXPECT_EQ(backoff.after(JobId{7}, Attempt{2}), seconds(3));
  EXPECT_EQ(backoff.after(JobId{7}, Attempt{3}), seconds(9));
  EXPECT_EQ(backoff.after(JobId{7}, Attempt{4}), seconds(10));
  EXPECT_EQ(backoff.after(JobId{7}, Attempt{4'000'000}), seconds(10));
}

TEST(Backoff, SpreadsJobsByAShareThatDependsOnTheJobAndItsAttemptAlone) {
  const Backoff backoff{seconds(8), 1, seconds(10), 0.5};
  Duration least = Duration::max(), most{};
  for (std::uint64_t job = 0; job < 1'000; ++job) {
    const Duration pause = backoff.after(JobId{job}, Attempt{1});
    EXPECT_EQ(pause, backoff.after(JobId{job}, Attempt{1}));
    least = std::min(least, pause);
    most = std::max(most, pause);
  }
  EXPECT_GE(least, seconds(4));
  EXPECT_LT(least, milliseconds(4'100));
  EXPECT_GT(most, milliseconds(7'900));
  EXPECT_LE(most, seconds(8));
  EXPECT_NE(backoff.after(JobId{1}, Attempt{1}), backoff.after(JobId{1}, Attempt{2}));
}

}  // namespace
}  // namespace runner::master
