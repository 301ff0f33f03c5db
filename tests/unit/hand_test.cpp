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

TEST(AHand, KeepsTheJobThatRunsHoweverManyComeAndGoBehindIt) {
  const Silence silence;
  Result<ipc::ChannelEnds> ends = ipc::make_channel(ipc::Transport::pipe);
  ASSERT_TRUE(ends.has_value()) << ends.error().text;
  Hand hand(ends->jobs->bytes());
  const JobSpec runs = job_of(0);
  ASSERT_TRUE(hand.give(runs, Attempt{1}, Duration(5)));
  ASSERT_TRUE(hand.requester().kick());
  const auto request = ends->worker().next();
  ASSERT_TRUE(request && *request);
  ASSERT_TRUE(ends->worker().entering());

  std::vector<JobSpec> others;
  for (std::uint64_t id = 1; id <= 3; ++id) others.push_back(job_of(id));
  for (int round = 0; round < 400; ++round) {
    for (const JobSpec& other : others) ASSERT_TRUE(hand.give(other, Attempt{1}, Duration(5)));
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

}  // namespace
}  // namespace runner::master
