// What a worker has in hand, as the engine keeps count of it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "master/engines/hand.hpp"
#include "tests/channel_ends.hpp"
#include "tests/silence.hpp"

namespace runner::master {
namespace {

JobSpec job_of(std::uint64_t id) {
  JobSpec job;
  job.id = JobId{id};
  job.work = TypedWork{"kind", ""};
  return job;
}

InHand given(const JobSpec& job) { return {.job = &job, .attempt = Attempt{1}, .expected = Duration(5)}; }

TEST(AHand, KeepsTheJobThatRunsHoweverManyComeAndGoBehindIt) {
  const Silence silence;
  Result<ipc::ChannelEnds> ends = ipc::make_channel(ipc::Transport::pipe);
  ASSERT_TRUE(ends.has_value()) << ends.error().text;
  Hand hand(ends->jobs->bytes());
  const JobSpec runs = job_of(0);
  ASSERT_TRUE(hand.give(given(runs)));
  ASSERT_TRUE(hand.requester().kick());
  const auto request = ends->worker().next();
  ASSERT_TRUE(request && *request);
  ASSERT_TRUE(ends->worker().entering());

  std::vector<JobSpec> others;
  for (std::uint64_t id = 1; id <= 3; ++id) others.push_back(job_of(id));
  for (int round = 0; round < 400; ++round) {
    for (const JobSpec& other : others) ASSERT_TRUE(hand.give(given(other)));
    ASSERT_EQ(hand.held(), 4U);
    ASSERT_TRUE(hand.requester().kick());
    const std::vector<InHand> taken = hand.take_back_newest();
    ASSERT_EQ(taken.size(), 3U);
    for (std::size_t i = 0; i < taken.size(); ++i) ASSERT_EQ(taken[i].job, &others[i]);
    ASSERT_EQ(hand.queued(), Duration(5));
  }
  ASSERT_TRUE(ends->worker().answer({runs.id, Attempt{1}, {}, false}));
  ipc::Completion completion;
  InHand job;
  const Result<bool> got = hand.collect(completion, job);
  ASSERT_TRUE(got.has_value()) << got.error().text;
  ASSERT_TRUE(*got);
  EXPECT_EQ(job.job, &runs);
  EXPECT_EQ(hand.head(), nullptr);
}

class TakenBack : public testing::TestWithParam<ipc::Transport> {};
INSTANTIATE_TEST_SUITE_P(Over, TakenBack, testing::Values(ipc::Transport::shm, ipc::Transport::pipe),
                         [](const auto& over) { return ipc::transport_name(over.param); });

TEST_P(TakenBack, ComesOldestFirstAndAllOfIt) {
  const Silence silence;
  Result<ipc::ChannelEnds> ends = ipc::make_channel(GetParam());
  ASSERT_TRUE(ends.has_value()) << ends.error().text;
  Hand hand(ends->jobs->bytes());
  std::vector<JobSpec> jobs;
  for (std::uint64_t id = 0; id < 9; ++id) jobs.push_back(job_of(id));
  for (const JobSpec& job : jobs) ASSERT_TRUE(hand.give(given(job)));
  ASSERT_TRUE(hand.requester().kick());
  ASSERT_TRUE(ends->worker().next().has_value());
  ASSERT_TRUE(ends->worker().entering());
  const std::vector<InHand> taken = hand.take_back_all();
  ASSERT_EQ(taken.size(), 8U);
  for (std::size_t i = 0; i < taken.size(); ++i) EXPECT_EQ(taken[i].job, &jobs[i + 1]);
  EXPECT_EQ(hand.held(), 1U);
}

}  // namespace
}  // namespace runner::master
