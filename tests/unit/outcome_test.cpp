// The words for how a job ended.
#include <gtest/gtest.h>

#include <csignal>
#include <runner/job_spec.hpp>
#include <runner/outcome.hpp>
#include <set>
#include <string>

namespace runner {
namespace {

Outcome ended(Ending ending) {
  Outcome outcome;
  outcome.ending = std::move(ending);
  return outcome;
}

TEST(Outcome, HasOneWordOfTheResultsFileForEachEnding) {
  const std::set<std::string_view> words{status_word(Succeeded{}), status_word(Failed{}),    status_word(Crashed{}),
                                         status_word(TimedOut{}),  status_word(Cancelled{}), status_word(OutOfMemory{})};
  EXPECT_EQ(words, (std::set<std::string_view>{"ok", "failed", "crashed", "timed_out", "cancelled", "out_of_memory"}));
}

TEST(Outcome, IsDescribedInOneClause) {
  EXPECT_EQ(describe(ended(Succeeded{})), "ok");
  EXPECT_EQ(describe(ended(Failed{"exit status 3"})), "exit status 3");
  EXPECT_EQ(describe(ended(Failed{""})), "failed without a reason");
  EXPECT_EQ(describe(ended(Crashed{SIGSEGV, ""})), "crashed: SIGSEGV");
  EXPECT_EQ(describe(ended(Crashed{SIGKILL, "by hand"})), "crashed: SIGKILL (by hand)");
  EXPECT_EQ(describe(ended(Crashed{0, "its worker left"})), "crashed: its worker left");
  EXPECT_EQ(describe(ended(TimedOut{std::chrono::seconds(2), {}})), "timed out after 2.00 s");
  EXPECT_EQ(describe(ended(TimedOut{std::chrono::seconds(2), "ended by SIGTERM"})),
            "timed out after 2.00 s (ended by SIGTERM)");
  EXPECT_EQ(describe(ended(Cancelled{"interrupted"})), "cancelled: interrupted");
  EXPECT_EQ(describe(ended(OutOfMemory{"the limit was 1 GiB"})), "out of memory: the limit was 1 GiB");
}

TEST(Outcome, IsASuccessOnlyWhenItSucceeded) {
  EXPECT_TRUE(succeeded(ended(Succeeded{})));
  EXPECT_FALSE(succeeded(ended(Failed{})));
}

TEST(SignalName, IsTheNameOrTheNumber) {
  EXPECT_EQ(signal_name(SIGSEGV), "SIGSEGV");
  EXPECT_EQ(signal_name(SIGABRT), "SIGABRT");
  EXPECT_EQ(signal_name(77), "signal 77");
  EXPECT_EQ(signal_name(-1), "signal -1");
}

TEST(JobSpec, IsCalledAfterItsKindOrCommand) {
  JobSpec job;
  job.work = TypedWork{"primes", ""};
  EXPECT_EQ(kind_of(job), "primes");
  job.work = CommandWork{{"true"}, "", "", {}};
  EXPECT_EQ(kind_of(job), "command");
}

}  // namespace
}  // namespace runner
