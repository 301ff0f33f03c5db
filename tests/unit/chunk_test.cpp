// Requests of several items over both transports: results in order, and how far exactly they came when a worker dies.
#include "tests/chunk_ends.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits.h>

#include <numeric>
#include <thread>

#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

class Chunk : public testing::TestWithParam<Transport> {
 protected:
  void SetUp() override { make(); }
  void make(const ShmGeometry& geometry = {}, Bytes max_result = kMaxResult) {
    ends_ = {};
    Result<ChannelEnds> made = make_channel(GetParam(), geometry, std::size_t{1} << 20, 0, max_result);
    ASSERT_TRUE(made.has_value()) << made.error().text;
    ends_ = std::move(*made);
  }
  [[nodiscard]] Requester& master() { return ends_.jobs->bytes(); }
  [[nodiscard]] ChunkWorker worker() { return ChunkWorker(*ends_.responder); }
  Ticket send(const Sizes& sizes, std::uint64_t stream_room = kPlenty) {
    const Result<Ticket> ticket = ask(master(), sizes, stream_room);
    EXPECT_TRUE(ticket.has_value());
    EXPECT_TRUE(master().kick().has_value());
    return ticket.value_or(Ticket{});
  }
  [[nodiscard]] Reply& front() {
    const Result<Reply*> reply = master().front();
    EXPECT_TRUE(reply.has_value()) << reply.error().text;
    static Reply none;
    EXPECT_TRUE(reply.value_or(nullptr) != nullptr) << "there is no reply";
    return reply.value_or(nullptr) != nullptr ? **reply : none;
  }
  void expect_all(const Sizes& sizes) {
    const Reply& reply = front();
    EXPECT_EQ(reply.last_part, LastPart::none);
    ASSERT_EQ(reply.finished_items, sizes.size());
    EXPECT_EQ(read_results(reply.stream.bytes, sizes.size()), expected(sizes, sizes.size()));
    EXPECT_LE(reply.entered, reply.finished);
    master().pop();
  }
  void drop_worker() {
    ends_.responder.reset();
    ends_.worker_control.reset();
    const Result<Reply*> none = master().front();
    EXPECT_TRUE(none.has_value() && *none == nullptr);
  }
  [[nodiscard]] bool shm() const { return GetParam() == Transport::shm; }

  Silence silence_;  // before the ends: it looks when they are gone
  ChannelEnds ends_;
};

INSTANTIATE_TEST_SUITE_P(Over, Chunk, testing::Values(Transport::shm, Transport::pipe),
                         [](const auto& over) { return transport_name(over.param); });

TEST_P(Chunk, GivesTheResultsOfItsItemsInOrder) {
  for (const Sizes& sizes : {Sizes{1, 2, 3}, Sizes{0, 0, 0, 0}, Sizes{5'000, 0, 7, 4'000}, Sizes(1'000, 9), Sizes(40, 127)}) {
    send(sizes);
    ASSERT_TRUE(worker().serve());
    expect_all(sizes);
  }
}

TEST_P(Chunk, ManyInFlightAreAnsweredInTheOrderOfTheirTickets) {
  for (int round = 0; round < 20; ++round) {
    std::vector<Sizes> sent;
    for (std::size_t i = 0; i < 12; ++i) {
      sent.push_back(Sizes(1 + i, 10 * i));
      send(sent.back(), 2'000);
    }
    for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_TRUE(worker().serve());
    for (const Sizes& sizes : sent) expect_all(sizes);
  }
}

TEST_P(Chunk, TellsExactlyHowFarItCameWhenTheWorkerDies) {
  const Sizes sizes{30, 0, 500, 7, 64, 1};
  for (std::uint32_t inside = 0; inside <= sizes.size(); ++inside) {
    make();
    const Ticket ticket = send(sizes), behind = send(sizes);
    ChunkWorker dying = worker();
    EXPECT_EQ(master().wreck(ticket).fate, Fate::untouched);
    ASSERT_TRUE(dying.take());
    EXPECT_EQ(master().wreck(ticket).fate, Fate::untouched) << "taken, but its code was not entered";
    dying.enter();
    ASSERT_TRUE(dying.run_until(inside));
    drop_worker();
    const Wreck wreck = master().wreck(ticket);
    EXPECT_EQ(wreck.fate, Fate::entered);
    ASSERT_EQ(wreck.finished_items, inside);
    EXPECT_EQ(read_results(wreck.stream, inside), expected(sizes, inside));
    EXPECT_EQ(master().wreck(behind).fate, Fate::untouched);
  }
}

TEST_P(Chunk, ThatWasAnsweredBeforeTheDeathIsDelivered) {
  const Sizes sizes{1, 2, 3};
  send(sizes);
  const Ticket second = send(sizes);
  ChunkWorker dying = worker();
  ASSERT_TRUE(dying.serve());
  ASSERT_TRUE(dying.take());
  dying.enter();
  ASSERT_TRUE(dying.run_until(1));
  ends_.responder.reset();
  expect_all(sizes);
  const Result<Reply*> none = master().front();
  EXPECT_TRUE(none.has_value() && *none == nullptr);
  EXPECT_EQ(master().wreck(second).finished_items, 1U);
}

TEST_P(Chunk, OfAnySizeThatIsSentToAWorkerWhoIsGoneStaysUntouched) {
  ends_.responder.reset();
  ends_.worker_control.reset();
  for (const std::size_t items : {2U, 1'000U, 100'000U}) {
    const Result<Ticket> ticket = ask(master(), Sizes(items, 1));
    ASSERT_TRUE(ticket.has_value()) << ticket.error().text;
    static_cast<void>(master().kick());
    const Result<Reply*> none = master().front();
    EXPECT_TRUE(none.has_value() && *none == nullptr);
    EXPECT_EQ(master().wreck(*ticket).fate, Fate::untouched);
  }
}

TEST_P(Chunk, EndsEarlyWithAResultThatIsLargerThanItsRoom) {
  const Sizes sizes{10, 20, 600, 30};
  send(sizes, 100);
  ASSERT_TRUE(worker().serve());
  const Reply& reply = front();
  EXPECT_EQ(reply.finished_items, 2U);
  EXPECT_EQ(read_results(reply.stream.bytes, 2), expected(sizes, 2));
  EXPECT_EQ(reply.last_part, LastPart::result);
  EXPECT_EQ(read_results(reply.last.bytes, 1).front(), letters(600));
  master().pop();
  const Sizes rest{30};
  send(rest);
  ASSERT_TRUE(worker().serve());
  expect_all(rest);
}

TEST_P(Chunk, WithoutAnyRoomComesAsFarAsItsFirstResult) {
  const Sizes sizes{10, 20};
  send(sizes, 0);
  ASSERT_TRUE(worker().serve());
  const Reply& reply = front();
  EXPECT_EQ(reply.finished_items, 0U);
  EXPECT_TRUE(reply.stream.bytes.empty());
  EXPECT_EQ(reply.last_part, LastPart::result);
  EXPECT_EQ(read_results(reply.last.bytes, 1).front(), letters(10));
  master().pop();
}

TEST_P(Chunk, SealsAHugeLastResultSoThatItNeedsNoCopyWhereMemoryIsShared) {
  const Sizes sizes{10, 3U << 20, 10};
  std::thread other([this] { EXPECT_TRUE(worker().serve()); });
  const Ticket ticket = send(sizes);
  Result<Reply*> reply = master().front();
  while (reply && *reply == nullptr) {
    ends_.sleep(ticket);
    reply = master().front();
  }
  other.join();
  ASSERT_TRUE(reply.has_value()) << reply.error().text;
  EXPECT_EQ((*reply)->finished_items, 1U);
  EXPECT_EQ((*reply)->last_part, LastPart::result);
  EXPECT_TRUE(read_results((*reply)->last.bytes, 1).front() == letters(3U << 20));
  const std::shared_ptr<const void> owner = (*reply)->last.owner;
  EXPECT_EQ(owner != nullptr, shm());
  EXPECT_EQ((*reply)->stream.owner, nullptr);
  const std::span<const std::byte> kept = (*reply)->last.bytes;
  master().pop();
  if (owner != nullptr) {
    EXPECT_TRUE(read_results(kept, 1).front() == letters(3U << 20)) << "it stays as long as its owner";
  }
}

TEST_P(Chunk, IsDeliveredWithItsFilesThoughTheWorkerDiedBeforeItReadThoseOfTheNext) {
  make({.memfd_from = 4'096});
  const Sizes sizes{10, 40'000, 10};
  send(sizes);
  ASSERT_TRUE(worker().serve());
  const Ticket unread = send(Sizes(2'000, 1));
  ends_.responder.reset();
  ends_.worker_control.reset();
  const Reply& reply = front();
  EXPECT_EQ(reply.finished_items, 1U);
  EXPECT_EQ(reply.last_part, LastPart::result);
  EXPECT_EQ(reply.last.owner != nullptr, shm());
  EXPECT_EQ(read_results(reply.last.bytes, 1).front(), letters(40'000));
  master().pop();
  EXPECT_EQ(master().wreck(unread).fate, Fate::untouched);
}

TEST_P(Chunk, TellsWhyAnItemFailedAndKeepsThoseBeforeIt) {
  for (const std::size_t length : {0U, 5U, 64U, 65U, 10'000U}) {
    const Sizes sizes{10, 20, 30, 40};
    send(sizes);
    ChunkWorker failing = worker();
    ASSERT_TRUE(failing.take());
    failing.enter();
    ASSERT_TRUE(failing.run_until(2));
    failing.fail(letters(length));
    const Reply& reply = front();
    EXPECT_EQ(reply.finished_items, 2U);
    EXPECT_EQ(read_results(reply.stream.bytes, 2), expected(sizes, 2));
    EXPECT_EQ(reply.last_part, LastPart::failure);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(reply.last.bytes.data()), reply.last.bytes.size()), letters(length));
    master().pop();
  }
}

TEST_P(Chunk, OfOneItemCarriesAnyResult) {
  for (const std::size_t bytes : {0U, 1U, 8U, 62U, 63U, 64U, 65U, 1'000U, 20'000U}) {
    send({bytes}, 0);
    ASSERT_TRUE(worker().serve());
    const Reply& reply = front();
    const bool streamed = reply.finished_items == 1;
    EXPECT_EQ(reply.last_part, streamed ? LastPart::none : LastPart::result);
    EXPECT_EQ(read_results(streamed ? reply.stream.bytes : reply.last.bytes, 1).front(), letters(bytes)) << bytes;
    if (shm()) {
      EXPECT_EQ(streamed, bytes + 1 <= kInlineReply) << "in the slot itself, if it fits: " << bytes;
    }
    master().pop();
  }
}

TEST_P(Chunk, OfOneItemTellsHowFarItCameToo) {
  for (const std::uint32_t inside : {0U, 1U}) {
    make();
    const Ticket ticket = send({20}, 100);
    ChunkWorker dying = worker();
    ASSERT_TRUE(dying.take());
    dying.enter();
    ASSERT_TRUE(dying.run_until(inside));
    drop_worker();
    const Wreck wreck = master().wreck(ticket);
    EXPECT_EQ(wreck.fate, Fate::entered);
    ASSERT_EQ(wreck.finished_items, inside);
    EXPECT_EQ(read_results(wreck.stream, inside), expected({20}, inside));
  }
}

TEST_P(Chunk, FailsTheItemWhoseResultIsLargerThanAllowed) {
  make({}, Bytes{1'000});
  const Sizes sizes{10, 20, 1'001, 30};
  send(sizes, 100);
  ASSERT_TRUE(worker().serve());
  const Reply& reply = front();
  EXPECT_EQ(reply.finished_items, 2U);
  EXPECT_EQ(reply.last_part, LastPart::failure);
  const std::string why(reinterpret_cast<const char*>(reply.last.bytes.data()), reply.last.bytes.size());
  EXPECT_EQ(why, result_too_large(Bytes{1'003}, Bytes{1'000}));
  master().pop();
}

TEST_P(Chunk, ComesThroughAnArenaThatIsFullOfOthers) {
  make({.depth = 64, .out_bytes = 16 * 1024});
  for (int round = 0; round < 20; ++round) {
    std::vector<Sizes> sent;
    for (std::size_t i = 0; i < 30; ++i) {
      sent.push_back(Sizes{100 + i, 200, 300 + i});
      send(sent.back(), 700);
    }
    for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_TRUE(worker().serve());
    for (const Sizes& sizes : sent) {
      const Reply& reply = front();
      ASSERT_EQ(read_results(reply.stream.bytes, reply.finished_items), expected(sizes, reply.finished_items));
      if (reply.finished_items < sizes.size()) {
        ASSERT_EQ(reply.last_part, LastPart::result);
        ASSERT_EQ(read_results(reply.last.bytes, 1).front(), letters(sizes[reply.finished_items]));
      }
      master().pop();
    }
  }
}

// ---- taking back ----

TEST_P(Chunk, TakenBackIsNeverSeenByTheWorker) {
  std::vector<Ticket> tickets;
  for (std::size_t i = 0; i < 6; ++i) tickets.push_back(send(Sizes(3, i)));
  ChunkWorker busy = worker();
  ASSERT_TRUE(busy.take());
  std::vector<Ticket> taken;
  master().take_back(tickets[0], taken);
  if (shm()) {
    EXPECT_TRUE(taken.empty()) << "the worker has it";
  }
  master().take_back(tickets[5], taken);
  EXPECT_THAT(taken, testing::Contains(tickets[5]));
  EXPECT_THAT(taken, testing::Not(testing::Contains(tickets[0])));
  busy.enter();
  ASSERT_TRUE(busy.run_until(3));
  busy.answer();
  expect_all(Sizes(3, 0));
  for (std::size_t i = 1; i < 6; ++i) {
    if (std::find(taken.begin(), taken.end(), tickets[i]) != taken.end()) continue;
    ASSERT_TRUE(worker().serve());
    expect_all(Sizes(3, i));
  }
  send({7, 8});
  ASSERT_TRUE(worker().serve());
  expect_all({7, 8});
}

TEST_P(Chunk, OfManyArgumentsIsTakenBackWholeOrNotAtAll) {
  // Longer than a packet of a pipe, and than the pipe: half of it may be on its way.
  const Sizes large(200'000, 0), small(3, 1);
  static_assert(200'000 * 8 > 16 * PIPE_BUF);
  for (const bool first : {true, false}) {
    make();
    const Ticket ahead = send(first ? large : small), behind = send(first ? small : large);
    std::vector<Ticket> taken;
    master().take_back(first ? ahead : behind, taken);
    const std::size_t left = 2 - taken.size();
    std::thread other([&] {
      for (std::size_t i = 0; i < left; ++i) EXPECT_TRUE(worker().serve());
    });
    for (std::size_t i = 0; i < left; ++i) {
      const bool is_small = !first || i == 1 || !taken.empty();
      Result<Reply*> reply = master().front();
      for (; reply && *reply == nullptr; reply = master().front()) ends_.sleep(is_small == first ? behind : ahead);
      ASSERT_TRUE(reply.has_value()) << reply.error().text;
      if (is_small && i == (first ? 1U : 0U)) {
        EXPECT_EQ((*reply)->finished_items, 3U);
      }
      master().pop();
    }
    other.join();
  }
}

}  // namespace
}  // namespace runner::ipc
