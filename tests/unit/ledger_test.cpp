#include "master/ledger.hpp"

#include <gtest/gtest.h>

#include <random>

namespace runner::master {
namespace {

// A point in time, in nanoseconds since the run began.
TimePoint at(std::int64_t ns) { return TimePoint(std::chrono::hours(1)) + Duration(ns); }
Duration ns(std::int64_t count) { return Duration(count); }

// Stamps of an attempt that is published at `published`, seen at `seen`, and takes 10 + 100 + 10 ns; collected 5 ns later.
Stamps attempt(std::int64_t published, std::int64_t seen) {
  Stamps stamps;
  stamps.ready = stamps.handed = at(published - 3);
  stamps.published = at(published);
  stamps.seen = at(seen);
  stamps.entered = at(seen + 10);
  stamps.left = at(seen + 110);
  stamps.answered = at(seen + 120);
  stamps.collected = at(seen + 125);
  return stamps;
}

AttemptCosts ended(Ledger& ledger, std::uint32_t worker, const Stamps& stamps) {
  AttemptCosts costs;
  ledger.ended(worker, stamps, costs);
  return costs;
}

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() {
    ledger.open(1, at(0));
    ledger.arrived(0, at(1000));
  }
  Account account(std::int64_t over, std::int64_t gone) {
    const Costs costs = ledger.close(at(over), at(gone));
    EXPECT_EQ(costs.unaccounted(), Duration::zero());
    return costs.workers[0];
  }
  Ledger ledger;
};

TEST_F(LedgerTest, TellsTheWayToAnAwakeWorkerFromIdlenessBeforeIt) {
  const AttemptCosts costs = ended(ledger, 0, attempt(1500, 1540));
  EXPECT_EQ(costs.spans[Span::queue_wait], ns(0));
  EXPECT_EQ(costs.spans[Span::serialize], ns(3));
  EXPECT_EQ(costs.spans[Span::transport], ns(40));
  EXPECT_EQ(costs.spans[Span::wake_up], ns(0));
  EXPECT_EQ(costs.spans[Span::deserialize], ns(10));
  EXPECT_EQ(costs.spans[Span::execute], ns(100));
  EXPECT_EQ(costs.spans[Span::answer], ns(10));
  EXPECT_EQ(costs.spans[Span::collect], ns(5));
  EXPECT_EQ(costs.spans.latency(), ns(1665 - 1497));
  EXPECT_EQ(costs.spans.communication(), ns(68));
  const Account account = this->account(2000, 2100);
  EXPECT_EQ(account[Use::start], ns(1000));
  EXPECT_EQ(account[Use::idle], ns(500 + 2000 - 1660));
  EXPECT_EQ(account[Use::waiting], ns(40));
  EXPECT_EQ(account[Use::stop], ns(100));
}

TEST_F(LedgerTest, CountsTheTimeBehindOtherJobsAsQueueWaitAndNotAsCommunication) {
  ended(ledger, 0, attempt(1500, 1540));  // until 1660
  const AttemptCosts second = ended(ledger, 0, attempt(1510, 1664));
  EXPECT_EQ(second.spans[Span::queue_wait], ns(150));
  EXPECT_EQ(second.spans[Span::transport], ns(4));
  EXPECT_EQ(account(1800, 1800)[Use::idle], ns(500 + 1800 - 1784));
}

TEST_F(LedgerTest, CountsTheWakeUpOfAWorkerThatSleptAndWhatFollowsItAsTransport) {
  Stamps stamps = attempt(1500, 1900);
  stamps.woken = at(1700);
  const AttemptCosts costs = ended(ledger, 0, stamps);
  EXPECT_EQ(costs.spans[Span::wake_up], ns(200));
  EXPECT_EQ(costs.spans[Span::transport], ns(200));
  EXPECT_EQ(ledger.so_far().wake_ups, 1U);
}

TEST_F(LedgerTest, CallsNoWorkerAsleepThatHadSomethingToDo) {
  ended(ledger, 0, attempt(1500, 1540));  // until 1660
  Stamps stamps = attempt(1510, 1700);
  stamps.woken = at(1690);
  const AttemptCosts costs = ended(ledger, 0, stamps);
  EXPECT_EQ(costs.spans[Span::wake_up], ns(0));
  EXPECT_EQ(costs.spans[Span::transport], ns(40));
  EXPECT_EQ(ledger.so_far().wake_ups, 0U);
}

TEST_F(LedgerTest, CountsAReplyThatLeavesLateAsAnAnswerThatTookLong) {
  ended(ledger, 0, attempt(1500, 1540));  // complete at 1660, collected at 1665
  Stamps stamps = attempt(1510, 1770);
  stamps.free = at(1760);
  ended(ledger, 0, stamps);
  const Costs costs = ledger.close(at(2000), at(2000));
  EXPECT_EQ(costs.workers[0][Use::answer], ns(10 + 100 + 10));
  EXPECT_EQ(costs.attempts[Span::answer], ns(10 + 100 + 10)) << "both accounts tell the same";
  EXPECT_EQ(costs.attempts[Span::collect], ns(5)) << "the first was collected while it left";
  EXPECT_EQ(costs.unaccounted(), ns(0));
}

TEST_F(LedgerTest, CountsWhatADeadWorkerDidAndTheStartOfTheNextOne) {
  Stamps stamps = attempt(1500, 1540);
  stamps.entered = at(1540);
  stamps.left = stamps.answered = stamps.collected = at(5000);
  EXPECT_EQ(ended(ledger, 0, stamps).spans[Span::execute], ns(3460));
  ledger.lost(0, at(5100));
  ledger.arrived(0, at(6000));
  const Account account = this->account(7000, 7000);
  EXPECT_EQ(account[Use::execute], ns(3460));
  EXPECT_EQ(account[Use::start], ns(1000 + 900));
  EXPECT_EQ(account[Use::idle], ns(500 + 100 + 1000));
}

TEST_F(LedgerTest, CountsAReplacementThatNeverCameAsStart) {
  ledger.lost(0, at(5000));
  const Account account = this->account(9000, 9500);
  EXPECT_EQ(account[Use::start], ns(1000 + 4000));
  EXPECT_EQ(account[Use::idle], ns(4000));
  EXPECT_EQ(account[Use::stop], ns(500));
}

TEST_F(LedgerTest, BelievesStampsOnlyInTheirOrder) {
  std::mt19937_64 random(3);
  std::uniform_int_distribution<std::int64_t> any(-5000, 200'000);
  std::int64_t collected = 2000;
  for (int i = 0; i < 10'000; ++i) {
    Stamps stamps;
    for (TimePoint* stamp : {&stamps.ready, &stamps.handed, &stamps.published, &stamps.woken, &stamps.free, &stamps.seen,
                             &stamps.entered, &stamps.left, &stamps.answered}) {
      *stamp = at(any(random));
    }
    stamps.collected = at(collected += 17);
    const AttemptCosts costs = ended(ledger, 0, stamps);
    for (std::size_t span = 0; span < kSpans; ++span) EXPECT_GE(costs.spans[static_cast<Span>(span)], ns(0));
  }
  const Costs costs = ledger.close(at(collected), at(collected + 5));
  EXPECT_EQ(costs.unaccounted(), ns(0));
  for (std::size_t use = 0; use < kUses; ++use) EXPECT_GE(costs.workers[0][static_cast<Use>(use)], ns(0));
}

TEST_F(LedgerTest, SamplesOneIn64OfShortAttemptsAndAllLongOnes) {
  int sampled = 0;
  for (int i = 0; i < 6400; ++i) {
    const Ledger::Choice choice = ledger.sample(ns(100));
    EXPECT_EQ(choice.one_in, 64U);
    if (choice.sampled) ++sampled;
  }
  EXPECT_EQ(sampled, 100);
  EXPECT_EQ(ledger.sample(std::chrono::microseconds(20)).one_in, 1U);
  EXPECT_TRUE(ledger.sample(std::chrono::microseconds(20)).sampled);
  EXPECT_TRUE(Ledger(Measure::all).sample(ns(1)).sampled);
}

TEST_F(LedgerTest, ScalesWhatOnlySampledAttemptsKnow) {
  for (int i = 0; i < 640; ++i) {
    const Ledger::Choice choice = ledger.sample(ns(100));
    Stamps stamps = attempt(2000 + 200 * i, 2010 + 200 * i);
    stamps.one_in = choice.one_in;
    stamps.sampled = choice.sampled;
    if (!choice.sampled) stamps.ready = stamps.handed = stamps.published;
    const AttemptCosts costs = ended(ledger, 0, stamps);
    EXPECT_EQ(costs.sampled, choice.sampled ? 64U : 0U);
  }
  const Costs costs = ledger.close(at(1'000'000), at(1'000'000));
  EXPECT_EQ(costs.sampled, 64U);
  EXPECT_EQ(costs.attempts[Span::serialize], ns(640 * 3));
  EXPECT_EQ(costs.attempts[Span::execute], ns(640 * 100)) << "known of all of them";
  EXPECT_EQ(costs.distribution[0].count(), 10U);
}

// ---- a number of workers that changes ----

TEST_F(LedgerTest, CountsTheTimeOfAWorkerFromWhenItWasWantedUntilItHadGone) {
  ledger.joined(1, at(2000));
  ledger.arrived(1, at(2300));
  ended(ledger, 1, attempt(2500, 2540));  // until 2660
  ledger.left(1, at(3000), at(3100));
  const Costs costs = ledger.close(at(5000), at(5050));
  EXPECT_EQ(costs.unaccounted(), Duration::zero());
  ASSERT_EQ(costs.workers.size(), 2U);
  const Account& later = costs.workers[1];
  EXPECT_EQ(later[Use::start], ns(300));
  EXPECT_EQ(later[Use::idle], ns(200 + 3000 - 2660));
  EXPECT_EQ(later[Use::stop], ns(100));
  EXPECT_EQ(later.absent, ns(2000 + 5050 - 3100));
  EXPECT_EQ(costs.worker_seconds(), ns(5050 + 1100));
  EXPECT_DOUBLE_EQ(costs.workers_at_a_time(), (5050.0 + 1100.0) / 5050.0);
  EXPECT_EQ(costs.tail, ns(2660 - 1000)) << "of the one that was there";
}

TEST_F(LedgerTest, GoesOnWithAnAccountWhenItsWorkerIsWantedAgain) {
  ledger.left(0, at(1500), at(1600));
  ledger.left(0, at(1700), at(1800));  // it has gone
  ledger.joined(0, at(2000));
  ledger.joined(0, at(2100));  // it is there
  ledger.lost(0, at(2200));    // before it took requests
  ledger.arrived(0, at(2400));
  const Account account = this->account(3000, 3010);
  EXPECT_EQ(account[Use::start], ns(1000 + 200 + 200));
  EXPECT_EQ(account[Use::idle], ns(500 + 600));
  EXPECT_EQ(account[Use::stop], ns(100 + 10));
  EXPECT_EQ(account.absent, ns(400));
}

TEST_F(LedgerTest, CountsAWorkerThatIsGoneAtTheEndAsNeitherIdleNorStopping) {
  ledger.left(0, at(900), at(950));  // told to go before it was known to have arrived: clocks of two processes
  const Account account = this->account(3000, 3010);
  EXPECT_EQ(account[Use::idle], ns(0));
  EXPECT_EQ(account[Use::stop], ns(0));
  EXPECT_EQ(account.absent, ns(2010));
}

}  // namespace
}  // namespace runner::master
