// The slots of a channel in shared memory: taking back, using again, and where payloads lie.
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/channel_ends.hpp"
#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

TEST(Word, KeepsItsNumberAndStateInEitherDirection) {
  for (const std::uint64_t seq : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{255}, (std::uint64_t{1} << 60) - 1}) {
    for (const SlotState state :
         {SlotState::free, SlotState::ready, SlotState::claimed, SlotState::running, SlotState::done, SlotState::revoked}) {
      EXPECT_EQ(unpack(pack({seq, state})), (Word{seq, state}));
    }
  }
  EXPECT_EQ(static_cast<unsigned>(unpack(~std::uint64_t{0}).state), 15U) << "any bits are a word, of no known state";
}

TEST(Layout, PutsEachSlotOnLinesOfItsOwn) {
  constexpr std::uint32_t depth = 8;
  std::vector<std::byte> memory(channel_bytes(depth) + kCacheLine);
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  std::byte* channel = memory.data() + (kCacheLine - address % kCacheLine) % kCacheLine;
  std::set<std::uintptr_t> places;
  for (std::uint64_t seq = 0; seq < depth; ++seq) {
    const auto place = reinterpret_cast<std::uintptr_t>(&slot_of(channel, depth, seq));
    EXPECT_EQ(place % kCacheLine, 0U);
    EXPECT_LE(place + sizeof(Slot), reinterpret_cast<std::uintptr_t>(channel) + channel_bytes(depth));
    EXPECT_EQ(&slot_of(channel, depth, seq + depth), &slot_of(channel, depth, seq));
    places.insert(place);
  }
  EXPECT_EQ(places.size(), depth);
}

class Slots : public testing::Test {
 protected:
  void make(const ShmGeometry& geometry, std::size_t arena_bytes = std::size_t{1} << 20) {
    Result<ChannelEnds> made = make_channel(Transport::shm, geometry, arena_bytes);
    ASSERT_TRUE(made.has_value()) << made.error().text;
    ends_ = std::move(*made);
  }
  Ticket send(std::uint64_t job, std::size_t bytes = 0) {
    const Result<Ticket> ticket = ends_.requester().send(
        JobId{job}, Attempt{1}, TypedWork{"kind", std::string(bytes, static_cast<char>('a' + job % 26))});
    EXPECT_TRUE(ticket.has_value());
    return ticket.value_or(Ticket{});
  }
  // What the worker does with the next request; its job.
  std::uint64_t run(std::size_t result_bytes = 0) {
    const Result<std::optional<JobRequest>> request = ends_.worker().next();
    EXPECT_TRUE(request.has_value() && request->has_value());
    if (!request || !*request) return UINT64_MAX;
    EXPECT_TRUE(ends_.worker().entering().has_value());
    JobReply reply{.job = (*request)->job, .attempt = (*request)->attempt, .outcome = {}, .terminated = false};
    reply.outcome.result = std::string(result_bytes, static_cast<char>('a' + number(reply.job) % 26));
    EXPECT_TRUE(ends_.worker().answer(std::move(reply)).has_value());
    return number((*request)->job);
  }
  std::optional<Completion> collect() {
    Completion completion;
    const Result<bool> got = ends_.requester().collect(completion);
    EXPECT_TRUE(got.has_value()) << got.error().text;
    return got.value_or(false) ? std::optional(std::move(completion)) : std::nullopt;
  }
  [[nodiscard]] bool take_back(Ticket ticket) { return ends_.take_back(ticket); }

  Silence silence_;
  ChannelEnds ends_;
};

TEST_F(Slots, ARequestTakenBackIsNeverSeenByTheWorkerNorDelivered) {
  make({.depth = 8});
  const Ticket first = send(0), second = send(1), third = send(2);
  EXPECT_TRUE(take_back(second));
  EXPECT_EQ(ends_.requester().fate(second), Fate::untouched);
  EXPECT_EQ(run(), 0U);
  EXPECT_EQ(run(), 2U);
  EXPECT_EQ(collect()->ticket, first);
  EXPECT_EQ(collect()->ticket, third);
  EXPECT_FALSE(collect().has_value());
}

TEST_F(Slots, ARequestThatTheWorkerHasTakenCannotBeTakenBack) {
  make({.depth = 8});
  const Ticket ticket = send(0);
  const Result<std::optional<JobRequest>> request = ends_.worker().next();
  ASSERT_TRUE(request.has_value() && request->has_value());
  EXPECT_FALSE(take_back(ticket));
  ASSERT_TRUE(ends_.worker().entering().has_value());
  EXPECT_FALSE(take_back(ticket));
  ASSERT_TRUE(ends_.worker().answer({(*request)->job, (*request)->attempt, {}, false}).has_value());
  EXPECT_FALSE(take_back(ticket));
  ASSERT_TRUE(collect().has_value());
  EXPECT_FALSE(take_back(ticket)) << "nor one that was collected";
  EXPECT_FALSE(take_back(Ticket{77})) << "nor one that was never sent";
  const Ticket second = send(1);
  EXPECT_TRUE(take_back(second));
  EXPECT_FALSE(take_back(second)) << "nor twice";
}

TEST_F(Slots, AreUsedAgainRoundAfterRoundWhateverIsTakenBackBetween) {
  make({.depth = 4});
  std::mt19937_64 random(7);
  std::uint64_t job = 0;
  std::set<std::uint64_t> outstanding;
  for (int round = 0; round < 20'000; ++round) {
    if (!ends_.requester().full()) {
      const Ticket ticket = send(job);
      if (random() % 3 == 0) {
        EXPECT_TRUE(take_back(ticket));
      } else {
        outstanding.insert(job);
      }
      ++job;
    }
    if (!outstanding.empty() && random() % 2 == 0) {
      EXPECT_EQ(run(), *outstanding.begin());
      const std::optional<Completion> done = collect();
      ASSERT_TRUE(done.has_value());
      EXPECT_EQ(number(done->reply.job), *outstanding.begin());
      outstanding.erase(outstanding.begin());
    } else if (outstanding.empty()) {
      EXPECT_FALSE(collect().has_value());
    }
  }
}

TEST_F(Slots, GiveBackTheArenaOfEachRequestThatIsCollectedTakenBackOrOrphaned) {
  make({.depth = 8});
  for (int round = 0; round < 500; ++round) {
    send(0, 10'000);
    const Ticket taken = send(1, 20'000);
    send(2, 30'000);
    EXPECT_TRUE(take_back(taken));
    run(10'000);
    run(30'000);
    while (collect()) {
    }
    ASSERT_TRUE(ends_.inbound->arena().empty()) << "round " << round;
  }
  send(3, 10'000);
  ends_.jobs.reset();
  EXPECT_TRUE(ends_.inbound->arena().empty());
}

TEST_F(Slots, SendInAMemfdWhatTheArenaHasNoRoomFor) {
  make({.depth = 16, .out_bytes = 64 * 1024, .memfd_from = 1 << 20}, 64 * 1024);
  int sent = 0;
  // Three in the arena, then memfds of their own until there are as many as may be in flight.
  for (; !ends_.requester().full(); ++sent) send(static_cast<std::uint64_t>(sent), 20'000);
  EXPECT_GT(sent, 4);
  EXPECT_LT(sent, 16);
  for (int i = 0; i < sent; ++i) EXPECT_EQ(run(20'000), static_cast<std::uint64_t>(i));
  for (int i = 0; i < sent; ++i) {
    const std::optional<Completion> done = collect();
    ASSERT_TRUE(done.has_value());
    EXPECT_TRUE(done->reply.outcome.result.text() == std::string(20'000, static_cast<char>('a' + i % 26)));
  }
  EXPECT_FALSE(ends_.requester().full());
}

TEST_F(Slots, AnswerInAMemfdWhatTheWorkersArenaHasNoRoomFor) {
  make({.depth = 64, .out_bytes = 16 * 1024});
  for (int round = 0; round < 20; ++round) {
    for (std::uint64_t i = 0; i < 32; ++i) send(i);
    for (std::uint64_t i = 0; i < 32; ++i) run(1'500 + 100 * i);
    for (std::uint64_t i = 0; i < 32; ++i) {
      const std::optional<Completion> done = collect();
      ASSERT_TRUE(done.has_value());
      ASSERT_TRUE(done->reply.outcome.result.text() == std::string(1'500 + 100 * i, static_cast<char>('a' + i % 26)));
    }
  }
}

TEST_F(Slots, NeverBlockTheMasterHoweverManyLargeRequestsAreTakenBackFromAWorkerThatDoesNotRead) {
  make({.depth = 16});
  // The worker is busy in a long job, so nobody reads the descriptors that were sent ahead of the requests.
  std::uint64_t sent = 0;
  for (int round = 0; round < 5'000 && !ends_.requester().full(); ++round) {
    const Ticket ticket = send(sent++, 100'000);
    ASSERT_TRUE(take_back(ticket));
    EXPECT_FALSE(collect().has_value());
  }
  ASSERT_GT(sent, 0U);
  // ... and once it reads again, there is room again.
  ends_.requester().close();
  const Result<std::optional<JobRequest>> none = ends_.worker().next();
  ASSERT_TRUE(none.has_value());
  EXPECT_FALSE(none->has_value());
}

}  // namespace
}  // namespace runner::ipc
