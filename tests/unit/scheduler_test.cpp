// The scheduler's reactions, one at a time: and nothing else was asked for.
#include <gtest/gtest.h>

#include <chrono>

#include "master/scheduler.hpp"

namespace runner::master {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{};

class OneJob {
 public:
  explicit OneJob(bool can_end_jobs, Work work = TypedWork{}) : scheduler(can_end_jobs) {
    JobSpec& job = scheduler.vacancy();
    job = JobSpec{};
    job.name = "job";
    job.work = std::move(work);
    job.timeout = seconds(10);
    job.retries = 1;
    scheduler.offer(actions);
    scheduler.source_ended();
    actions.clear();
  }
  void begin(TimePoint at) {
    JobStarted started{JobId{0}, Attempt{1}, WorkerId{3}, at};
    scheduler.on(started, at, actions);
  }
  void end(Ending ending, TimePoint at) {
    JobEnded ended{JobId{0}, Attempt{1}, WorkerId{3}, {}};
    ended.outcome.ending = std::move(ending);
    scheduler.on(ended, at, actions);
  }
  Scheduler scheduler;
  Actions actions;
};

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

}  // namespace
}  // namespace runner::master
