// Every interleaving of the channel protocol, with a kill between any two steps; and every mistake that the model must catch.
#include <gtest/gtest.h>

#include <iostream>
#include <set>
#include <string>
#include <string_view>

#include "tests/model/channel_model.hpp"

namespace runner::model {
namespace {

// Returns the kinds of steps that were taken.
std::set<std::string_view> expect_holds(const Config& config) {
  const Verdict<Property> verdict = explore(ChannelModel(config));
  EXPECT_EQ(verdict.broken, Property::none) << "broken: " << name_of(verdict.broken) << "\n" << verdict.story;
  std::cout << verdict.states << " states of " << int{config.items} << " items, " << int{config.chunk} << " a chunk, "
            << int{config.kills} << " kills, " << int{config.take_backs} << " taken back\n";
  return verdict.seen;
}

void expect_caught(Config config, Mutation mutation, Property property) {
  config.mutation = mutation;
  const Verdict<Property> verdict = explore(ChannelModel(config));
  EXPECT_EQ(verdict.broken, property) << "broken: " << name_of(verdict.broken) << ", not: " << name_of(property) << "\n"
                                      << verdict.story;
  std::cout << verdict.states << " states until broken: " << name_of(verdict.broken) << "\n";
}

// ---- the protocol holds ----

TEST(Model, ProtocolDeliversSingleJobsOfWhichTheMasterTakesSomeBack) {
  expect_holds({.items = 4, .chunk = 1, .kills = 0, .take_backs = 1});
  expect_holds({.items = 3, .chunk = 1, .kills = 0, .take_backs = 2});
}

TEST(Model, ProtocolSurvivesAKillBetweenAnyTwoSteps) {
  expect_holds({.items = 3, .chunk = 1, .kills = 1, .take_backs = 1});
  expect_holds({.items = 3, .chunk = 1, .kills = 2, .take_backs = 1});
}

TEST(Model, ProtocolSurvivesAKillBetweenAnyTwoStepsOfAChunk) {
  expect_holds({.items = 4, .chunk = 2, .kills = 1, .take_backs = 2});
  expect_holds({.items = 4, .chunk = 3, .kills = 2, .take_backs = 1});
  expect_holds({.items = 6, .chunk = 3, .kills = 1, .take_backs = 1});
}

TEST(Model, ProtocolNeedsOneRingForAllThatIsOutstanding) {
  expect_holds({.items = 3, .chunk = 1, .kills = 0, .take_backs = 1, .bell = Bell::newest_job});
  expect_holds({.items = 2, .chunk = 1, .kills = 2, .take_backs = 1, .bell = Bell::newest_job});
  expect_holds({.items = 4, .chunk = 2, .kills = 1, .take_backs = 1, .bell = Bell::newest_job});
}

// A model that never comes to the hard places would pass too.
TEST(Model, ComesToTheHardPlaces) {
  const std::set<std::string_view> seen =
      expect_holds({.items = 3, .chunk = 2, .kills = 1, .take_backs = 2, .bell = Bell::newest_job});
  for (const char* place :
       {"worker: CAS READY -> CLAIMED declines", "master: CAS READY -> REVOKED declines",
        "worker: steps over what was taken back", "worker: steps over a slot that is used again", "worker: FUTEX_WAIT",
        "master: FUTEX_WAKE", "the worker is killed", "the worker is killed in its sleep", "worker: rings",
        "master: wakes by its bell", "master: wakes by a pidfd", "master: buries the worker",
        "master: buries the worker and charges an item", "master: the worker has left"}) {
    EXPECT_TRUE(seen.contains(place)) << place;
  }
}

// ---- each mistake is caught ----

constexpr Config kOne{.items = 1, .chunk = 1, .kills = 0, .take_backs = 1};
constexpr Config kSingles{.items = 3, .chunk = 1, .kills = 0, .take_backs = 1};
constexpr Config kKilled{.items = 2, .chunk = 1, .kills = 1, .take_backs = 0};
constexpr Config kKilledInChunk{.items = 2, .chunk = 2, .kills = 1, .take_backs = 0};

TEST(Model, CatchesAWorkerThatSleepsWithoutAFence) {
  expect_caught(kOne, Mutation::worker_sleeps_without_fence, Property::nobody_sleeps_on);
}

TEST(Model, CatchesAWorkerThatSleepsWithoutASecondLook) {
  expect_caught(kOne, Mutation::worker_sleeps_without_second_look, Property::nobody_sleeps_on);
}

TEST(Model, CatchesAWorkerThatSleepsWithoutASecondLookAtClosing) {
  expect_caught(kOne, Mutation::worker_sleeps_without_second_look_at_closing, Property::nobody_sleeps_on);
}

TEST(Model, CatchesAWorkerThatWaitsForWhatWasTakenBack) {
  expect_caught(kOne, Mutation::worker_never_steps_over, Property::nobody_sleeps_on);
}

TEST(Model, CatchesAClaimWithoutCompareAndSwap) {
  expect_caught(kOne, Mutation::worker_claims_without_cas, Property::taken_back_not_run);
}

TEST(Model, CatchesASlotThatIsUsedAgainUnderAClaimWithoutCompareAndSwap) {
  expect_caught(kSingles, Mutation::worker_claims_without_cas, Property::slot_kept);
}

TEST(Model, CatchesUserCodeBeforeRunning) {
  expect_caught(kKilled, Mutation::worker_enters_before_running, Property::blame_exact);
}

// The slot must have served a longer run before: that takes two chunks and one of them taken back.
TEST(Model, CatchesProgressThatIsResetAfterRunning) {
  expect_caught({.items = 4, .chunk = 2, .kills = 1, .take_backs = 1}, Mutation::worker_runs_before_progress_reset,
                Property::result_whole);
}

TEST(Model, CatchesAnItemThatIsAnnouncedAfterItWasEntered) {
  expect_caught(kKilledInChunk, Mutation::worker_announces_after_entering, Property::blame_exact);
}

TEST(Model, CatchesAnItemThatIsAnnouncedBeforeTheResultInFrontOfIt) {
  expect_caught(kKilledInChunk, Mutation::worker_announces_before_result, Property::result_whole);
}

TEST(Model, CatchesAnIndexThatIsAnnouncedBeforeItsEnd) {
  expect_caught(kKilledInChunk, Mutation::worker_announces_index_before_end, Property::result_whole);
}

TEST(Model, CatchesDoneBeforeTheResult) { expect_caught(kOne, Mutation::worker_done_before_result, Property::result_whole); }

TEST(Model, CatchesAWorkerThatLooksAtTheSleeperWithoutAFence) {
  expect_caught(kOne, Mutation::worker_rings_without_fence, Property::nobody_sleeps_on);
}

TEST(Model, CatchesReadyBeforeTheRequest) {
  expect_caught(kOne, Mutation::master_ready_before_request, Property::request_whole);
}

TEST(Model, CatchesAMasterThatLooksAtTheSleeperWithoutAFence) {
  expect_caught(kOne, Mutation::master_kicks_without_fence, Property::nobody_sleeps_on);
}

TEST(Model, CatchesATakeBackWithoutCompareAndSwap) {
  expect_caught(kOne, Mutation::master_takes_back_without_cas, Property::taken_back_not_run);
}

TEST(Model, CatchesOneJobMoreThanThereAreSlots) { expect_caught(kSingles, Mutation::master_overfills, Property::slot_kept); }

TEST(Model, CatchesAJobThatIsCollectedTwice) {
  expect_caught(kOne, Mutation::master_collects_without_advancing, Property::ends_once);
}

TEST(Model, CatchesAMasterThatSleepsWithoutAFence) {
  expect_caught(kOne, Mutation::master_sleeps_without_fence, Property::nobody_sleeps_on);
}

TEST(Model, CatchesAMasterThatSleepsWithoutALastLook) {
  expect_caught(kOne, Mutation::master_sleeps_without_look, Property::nobody_sleeps_on);
}

TEST(Model, CatchesAMasterThatDoesNotWatchForDeath) {
  expect_caught(kKilled, Mutation::master_sleeps_without_pidfd, Property::nobody_sleeps_on);
}

TEST(Model, CatchesABellThatIsArmedForWhatWasTakenBack) {
  expect_caught({.items = 2, .chunk = 1, .kills = 0, .take_backs = 1, .bell = Bell::newest_job},
                Mutation::master_arms_for_what_it_took_back, Property::nobody_sleeps_on);
}

TEST(Model, CatchesARecoveryThatChargesWhatWasOnlyClaimed) {
  expect_caught(kKilled, Mutation::recovery_charges_claimed, Property::blame_exact);
}

TEST(Model, CatchesARecoveryThatChargesTheRestOfAChunk) {
  expect_caught(kKilledInChunk, Mutation::recovery_charges_rest_of_chunk, Property::blame_exact);
}

TEST(Model, CatchesARecoveryThatHandsOutAgainWhatWasRunning) {
  expect_caught(kKilled, Mutation::recovery_requeues_running, Property::blame_exact);
}

TEST(Model, CatchesARecoveryThatHandsOutAgainWhatWasDone) {
  expect_caught(kKilled, Mutation::recovery_requeues_done, Property::runs_once);
}

TEST(Model, CatchesARecoveryThatDeliversTheAnnouncedItem) {
  expect_caught(kKilledInChunk, Mutation::recovery_delivers_announced, Property::result_whole);
}

TEST(Model, CatchesARecoveryThatForgetsWhatWasTakenBack) {
  expect_caught({.items = 1, .chunk = 1, .kills = 1, .take_backs = 1}, Mutation::recovery_forgets_what_was_taken_back,
                Property::word_known);
}

TEST(Model, CatchesAnIncarnationOnTheChannelOfAnother) {
  expect_caught({.items = 1, .chunk = 1, .kills = 1, .take_backs = 0}, Mutation::recovery_keeps_channel,
                Property::taken_back_not_run);
}

}  // namespace
}  // namespace runner::model
