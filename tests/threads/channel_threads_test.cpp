// Requester and responder, each on a thread of its own, for tens of thousands of jobs and naps; no safety time-outs, so that a
// lost wake-up hangs the test.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/channel_ends.hpp"
#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

struct Way {
  const char* name;
  Transport transport;
  std::uint32_t spin_ns;
};

class ChannelThreads : public testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(Over, ChannelThreads,
                         testing::Values(Way{"shm", Transport::shm, 0},
                                         Way{"shm_spinning", Transport::shm, 5000},
                                         Way{"pipe", Transport::pipe, 0}),
                         [](const auto& way) { return way.param.name; });

Outcome echoed(const JobRequest& request) {
  const std::span<const std::byte> args = std::get<TypedView>(request.work).args;
  Outcome outcome;
  outcome.result = Blob::copy_of(args);
  return outcome;
}

// Mostly inline, often in an arena, now and then in a memfd.
std::string payload(std::uint64_t job, std::mt19937_64& random) {
  const std::uint64_t pick = random() % 1000;
  return std::string(pick < 700 ? pick % 90 : pick < 998 ? pick * 3 : 70'000 + pick, static_cast<char>('a' + job % 26));
}

TEST_P(ChannelThreads, AnswerEveryTicketOrTakeItBackAndNeverBoth) {
  constexpr std::uint64_t jobs = 40'000;
  const Silence silence;
  Result<ChannelEnds> made =
      make_channel(GetParam().transport, {.depth = 16, .out_bytes = 64 * 1024}, 256 * 1024, GetParam().spin_ns);
  ASSERT_TRUE(made.has_value()) << made.error().text;
  ChannelEnds& ends = *made;
  std::vector<int> ran(jobs, 0);
  std::thread worker([&] {
    EXPECT_TRUE(answer_all(ends.worker(), [&](const JobRequest& request) {
                  ++ran[number(request.job)];
                  return echoed(request);
                }).has_value());
  });

  struct Sent {
    Ticket ticket;
    std::uint64_t job;
    std::size_t bytes;
    bool taken_back;
  };
  std::vector<Sent> sent;  // by ticket
  std::vector<int> answered(jobs, 0), taken(jobs, 0);
  std::mt19937_64 random(11);
  std::size_t head = 0;
  Completion completion;
  const auto collect = [&] {
    for (;;) {
      const Result<bool> got = ends.requester().collect(completion);
      ASSERT_TRUE(got.has_value()) << got.error().text;
      while (head < sent.size() && sent[head].taken_back) ++head;
      if (!*got) return;
      ASSERT_LT(head, sent.size());
      const Sent& oldest = sent[head++];
      ASSERT_EQ(completion.ticket, oldest.ticket);
      ASSERT_EQ(number(completion.reply.job), oldest.job);
      ASSERT_EQ(completion.reply.outcome.result.size(), oldest.bytes);
      ++answered[oldest.job];
    }
  };
  for (std::uint64_t job = 0; job < jobs || head < sent.size();) {
    while (job < jobs && !ends.requester().full() && random() % 8 != 0) {
      const std::string args = payload(job, random);
      const Result<Ticket> ticket = ends.requester().send(JobId{job}, Attempt{1}, TypedWork{"echo", args});
      ASSERT_TRUE(ticket.has_value()) << ticket.error().text;
      sent.push_back({*ticket, job++, args.size(), false});
      if (random() % 4 == 0) static_cast<void>(ends.requester().kick());
    }
    for (std::size_t back = sent.size(); back > head && random() % 3 == 0; --back) {
      const Sent& newest = sent[back - 1];
      if (newest.taken_back) continue;
      std::vector<Ticket> came_back;
      ends.requester().take_back(newest.ticket, came_back);
      if (came_back.empty()) break;
      for (const Ticket ticket : came_back) {
        sent[number(ticket)].taken_back = true;
        ++taken[sent[number(ticket)].job];
      }
    }
    ASSERT_TRUE(ends.requester().kick().has_value());
    collect();
    if (testing::Test::HasFatalFailure()) break;
    if (head < sent.size() && random() % 4 == 0) ends.sleep(sent[head].ticket);
  }
  ends.requester().close();
  worker.join();
  std::uint64_t odd = 0;
  for (std::uint64_t job = 0; job < jobs; ++job) odd += ran[job] + taken[job] != 1 || answered[job] != ran[job] ? 1U : 0U;
  EXPECT_EQ(odd, 0U) << "jobs were lost, or run twice, or both run and taken back";
}

TEST_P(ChannelThreads, LoseNoWakeUpInEitherDirection) {
  constexpr std::uint64_t rounds = 30'000;
  const Silence silence;
  Result<ChannelEnds> made = make_channel(GetParam().transport, {}, std::size_t{1} << 20, GetParam().spin_ns);
  ASSERT_TRUE(made.has_value()) << made.error().text;
  ChannelEnds& ends = *made;
  std::thread worker([&] { EXPECT_TRUE(answer_all(ends.worker(), echoed).has_value()); });
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const Result<Ticket> ticket = ends.requester().send(JobId{round}, Attempt{1}, TypedWork{"echo", ""});
    ASSERT_TRUE(ticket.has_value());
    ASSERT_TRUE(ends.requester().kick().has_value());
    const Result<Completion> done = ends.wait(*ticket);
    ASSERT_TRUE(done.has_value()) << done.error().text;
    ASSERT_EQ(done->ticket, *ticket);
  }
  ends.requester().close();
  worker.join();
}

}  // namespace
}  // namespace runner::ipc
