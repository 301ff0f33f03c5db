// A worker that lies about how far its items came: refused, or charged to itself, and never read outside of what is there.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/chunk_ends.hpp"
#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

constexpr std::size_t kOut = 64 * 1024;
constexpr std::uint32_t kItems = 10;

// ---- shared memory ----

class LyingChunk : public testing::Test {
 protected:
  void SetUp() override {
    Result<ChannelEnds> made = offer_channel(Transport::shm, {.depth = 4, .out_bytes = kOut});
    ASSERT_TRUE(made.has_value());
    ends_ = std::move(*made);
    ControlMessage message;
    ASSERT_TRUE(receive_control(ends_.worker_control.get(), message, true).has_value());
    Result<SharedRegion> channel = SharedRegion::open(std::move(message.files[0]), channel_bytes(4), Access::read_write);
    ASSERT_TRUE(channel.has_value());
    channel_ = std::move(*channel);
    ticket_ = ask(master(), Sizes(kItems, 5)).value();
  }
  [[nodiscard]] Requester& master() { return ends_.jobs->bytes(); }
  [[nodiscard]] Slot& slot() { return slot_of(channel_.data(), 4, number(ticket_)); }
  // `finished` items with 6 bytes each, as a worker that keeps the rules has them.
  void honest(SlotState state, std::uint32_t finished, LastPart last = LastPart::none) {
    slot().stream_offset = 1024;
    slot().progress.store(runner::pack(ItemProgress{finished, std::uint64_t{6} * finished}));
    slot().last_part = last;
    slot().reply_place = Place::inline_;
    slot().reply_bytes = 0;
    slot().reply_files = 0;
    slot().word.store(pack({number(ticket_), state}));
  }
  void progress(std::uint64_t item, std::uint64_t end) {
    slot().progress.store(runner::pack(ItemProgress{static_cast<std::uint32_t>(item), end}));
  }
  [[nodiscard]] bool refused() {
    const Result<Reply*> got = master().front();
    return !got.has_value() && got.error().code == ErrorCode::protocol;
  }
  [[nodiscard]] bool believed() {
    const Result<Reply*> got = master().front();
    return got.has_value() && *got != nullptr;
  }
  [[nodiscard]] Wreck wreck() { return master().wreck(ticket_); }

  Silence silence_;
  ChannelEnds ends_;
  SharedRegion channel_;
  Ticket ticket_{};
};

TEST_F(LyingChunk, IsBelievedWhenItKeepsTheRules) {
  honest(SlotState::done, kItems);
  EXPECT_TRUE(believed());
  honest(SlotState::done, 3, LastPart::result);
  EXPECT_TRUE(believed());
  honest(SlotState::running, 3);
  EXPECT_EQ(wreck().fate, Fate::entered);
  EXPECT_EQ(wreck().finished_items, 3U);
  EXPECT_EQ(wreck().stream.size(), 18U);
}

TEST_F(LyingChunk, MayNotHaveMoreItemsThanWereAskedFor) {
  for (const std::uint32_t item : {kItems + 1, 1'000U, kMostItems}) {
    honest(SlotState::done, kItems);
    progress(item, 0);
    EXPECT_TRUE(refused()) << item;
    honest(SlotState::running, 3);
    progress(item, 0);
    EXPECT_EQ(wreck().fate, Fate::unknown) << item;
  }
}

TEST_F(LyingChunk, MayNotEndWithFewerItemsThanItSays) {
  honest(SlotState::done, kItems - 1);
  EXPECT_TRUE(refused()) << "nothing was said of the last item";
  for (const LastPart last : {LastPart::result, LastPart::failure}) {
    honest(SlotState::done, kItems, last);
    EXPECT_TRUE(refused()) << "an item after the last";
  }
  honest(SlotState::done, 3, static_cast<LastPart>(3));
  EXPECT_TRUE(refused()) << "an end that nobody knows";
}

TEST_F(LyingChunk, MayNotHaveResultsWhereNoneCanLie) {
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> lies{{0, kOut + 1},
                                                                  {kOut, 1},
                                                                  {kOut - 17, 18},
                                                                  {1, kOut},
                                                                  {UINT64_MAX - 1, 18},
                                                                  {0, kMostStream},
                                                                  {std::uint64_t{1} << 63, 1}};
  for (const auto& [offset, end] : lies) {
    honest(SlotState::done, kItems);
    slot().stream_offset = offset;
    progress(kItems, end);
    EXPECT_TRUE(refused()) << offset << " " << end;
    honest(SlotState::running, 3);
    slot().stream_offset = offset;
    progress(3, end);
    EXPECT_EQ(wreck().fate, Fate::unknown) << offset << " " << end;
  }
}

TEST_F(LyingChunk, MayNotHaveALargerResultInTheSlotThanFitsThere) {
  honest(SlotState::done, kItems);
  ASSERT_TRUE(believed());
  master().pop();
  ticket_ = ask(master(), Sizes(1, 5)).value();  // of one item the result lies in the slot
  for (const std::uint64_t end : {kInlineReply + 1, kInlineReply + 8, std::size_t{4096}}) {
    honest(SlotState::done, 1);
    progress(1, end);
    EXPECT_TRUE(refused()) << end;
    honest(SlotState::running, 1);
    progress(1, end);
    EXPECT_EQ(wreck().fate, Fate::unknown) << end;
  }
}

TEST_F(LyingChunk, MayNotAnnounceFilesBesideNothing) {
  honest(SlotState::done, kItems);
  slot().reply_files = 1;
  EXPECT_TRUE(refused());
}

TEST_F(LyingChunk, MayNotAnnounceALastResultThatDoesNotCome) {
  honest(SlotState::done, 3, LastPart::result);
  slot().reply_place = Place::memfd;
  slot().reply_bytes = 100;
  EXPECT_TRUE(refused());
}

TEST_F(LyingChunk, FullOfAnyBytesIsReadOnlyWhereThereIsSomething) {
  std::mt19937_64 random(2026);
  std::uint64_t sum = 0;
  int kept = 0, known = 0;
  const auto look_at = [&](std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) sum += static_cast<std::uint64_t>(byte);
  };
  for (int round = 0; round < 40'000; ++round) {
    const bool done = random() % 2 == 0;
    const auto finished = static_cast<std::uint32_t>(random() % (kItems + 1));
    honest(done ? SlotState::done : SlotState::running, finished, finished == kItems ? LastPart::none : LastPart::result);
    auto* bytes = reinterpret_cast<unsigned char*>(&slot().progress);
    const std::size_t size = sizeof(Slot) - offsetof(Slot, progress);
    for (std::uint64_t flips = 1 + random() % 4; flips > 0; --flips)
      bytes[random() % size] = static_cast<unsigned char>(random());
    if (random() % 4 == 0) progress(random() % 12, random() % (2 * kOut));
    if (done) {
      const Result<Reply*> got = master().front();
      if (!got) {
        ASSERT_EQ(got.error().code, ErrorCode::protocol);
        continue;
      }
      ASSERT_NE(*got, nullptr);
      ++kept;
      ASSERT_LE((*got)->finished_items, kItems);
      look_at((*got)->stream.bytes);
      look_at((*got)->last.bytes);
    } else {
      const Wreck left = wreck();
      if (left.fate == Fate::unknown) continue;
      ++known;
      ASSERT_LE(left.finished_items, kItems);
      look_at(left.stream);
    }
  }
  EXPECT_GT(kept, 1'000);
  EXPECT_GT(known, 1'000);
}

// ---- pipes ----

class LyingChunkPipe : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::pair<UniqueFd, UniqueFd>> control = control_pair();
    ASSERT_TRUE(control.has_value());
    control_ = std::move(control->first);
    worker_control_ = std::move(control->second);
    begin();
  }
  // A new connection, with one request of ten items and room for 60 bytes outstanding as ticket 0.
  void begin() {
    Result<PipeRequester::Made> made = PipeRequester::create(control_.get(), kMaxResult.count);
    ASSERT_TRUE(made.has_value());
    requester_ = std::move(made->requester);
    requests_ = std::move(made->requests);
    replies_ = std::move(made->replies);
    ASSERT_TRUE(ask(*requester_, Sizes(kItems, 5), 60).has_value());
    ASSERT_TRUE(requester_->kick().has_value());
  }
  void frame(const std::string& message) {
    const std::string bytes = to_wire(static_cast<std::uint32_t>(message.size())) + message;
    ASSERT_EQ(::write(replies_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  static std::string entered() {
    return to_wire(static_cast<std::uint8_t>(PipeTag::entered)) + to_wire(std::uint64_t{0}) + to_wire(std::int64_t{1});
  }
  static std::string progress(std::uint32_t item, std::size_t bytes) {
    return to_wire(static_cast<std::uint8_t>(PipeTag::progress)) + to_wire(std::uint64_t{0}) + to_wire(item) +
           std::string(bytes, 'r');
  }
  static std::string reply(std::uint32_t item, LastPart last_part, std::size_t tail, std::size_t last,
                           std::uint32_t files = 0) {
    return to_wire(static_cast<std::uint8_t>(PipeTag::reply)) + to_wire(std::uint64_t{0}) + to_wire(std::int64_t{2}) +
           to_wire(item) + to_wire(static_cast<std::uint16_t>(last_part)) + to_wire(files) +
           to_wire(static_cast<std::uint32_t>(tail)) + std::string(tail, 't') + std::string(last, 'l');
  }
  Result<Reply*> collect(const std::vector<std::string>& messages) {
    for (const std::string& message : messages) frame(message);
    return requester_->front();
  }
  [[nodiscard]] bool refused(const std::vector<std::string>& messages) {
    const Result<Reply*> got = collect(messages);
    const bool was = !got.has_value() && got.error().code == ErrorCode::protocol;
    begin();
    return was;
  }

  Silence silence_;
  UniqueFd control_, worker_control_, requests_, replies_;
  std::unique_ptr<PipeRequester> requester_;
};

TEST_F(LyingChunkPipe, IsBelievedWhenItKeepsTheRules) {
  const Result<Reply*> got = collect({entered(), progress(1, 6), progress(4, 18), reply(kItems, LastPart::none, 36, 0)});
  ASSERT_TRUE(got.has_value() && *got != nullptr);
  EXPECT_EQ((*got)->finished_items, kItems);
  EXPECT_EQ((*got)->stream.bytes.size(), 60U);
}

TEST_F(LyingChunkPipe, MayNotGoBackward) {
  EXPECT_TRUE(refused({entered(), progress(4, 10), progress(3, 0)}));
  EXPECT_TRUE(refused({entered(), progress(4, 10), reply(3, LastPart::result, 0, 5)}));
  EXPECT_TRUE(refused({entered(), progress(kItems, 0), reply(kItems - 1, LastPart::failure, 0, 5)}));
}

TEST_F(LyingChunkPipe, MayNotHaveMoreItemsThanWereAskedFor) {
  EXPECT_TRUE(refused({entered(), progress(kItems + 1, 0)}));
  EXPECT_TRUE(refused({entered(), progress(UINT32_MAX, 0)}));
  EXPECT_TRUE(refused({entered(), reply(kItems + 1, LastPart::none, 0, 0)}));
}

TEST_F(LyingChunkPipe, MayNotFillMoreThanItsRoom) {
  EXPECT_TRUE(refused({entered(), progress(1, 61)}));
  EXPECT_TRUE(refused({entered(), progress(1, 30), progress(2, 31)}));
  EXPECT_TRUE(refused({entered(), progress(1, 30), reply(kItems, LastPart::none, 31, 0)}));
}

TEST_F(LyingChunkPipe, MayNotEndOtherThanItSays) {
  EXPECT_TRUE(refused({entered(), reply(kItems - 1, LastPart::none, 0, 0)}));
  EXPECT_TRUE(refused({entered(), reply(kItems, LastPart::none, 0, 1)})) << "bytes of no item";
  EXPECT_TRUE(refused({entered(), reply(kItems, LastPart::none, 0, 0, 1)})) << "files beside nothing";
  EXPECT_TRUE(refused({entered(), reply(kItems, LastPart::result, 0, 5)}));
  EXPECT_TRUE(refused({entered(), reply(kItems, LastPart::failure, 0, 5)}));
  EXPECT_TRUE(refused({entered(), reply(1, static_cast<LastPart>(3), 0, 5)}));
  std::string longer = reply(1, LastPart::result, 0, 0);
  longer[longer.size() - 4] = 9;  // more of the stream than is there
  EXPECT_TRUE(refused({entered(), longer}));
}

TEST_F(LyingChunkPipe, MayNotSpeakOfItemsBeforeItEntered) {
  EXPECT_TRUE(refused({progress(1, 0)}));
  EXPECT_TRUE(refused({reply(kItems, LastPart::none, 0, 0)}));
}

TEST_F(LyingChunkPipe, ThatWasCaughtLeavesWhatItHadFinishedBefore) {
  const Result<Reply*> got = collect({entered(), progress(4, 10), progress(3, 0)});
  EXPECT_FALSE(got.has_value());
  const Wreck wreck = requester_->wreck(Ticket{0});
  EXPECT_EQ(wreck.fate, Fate::entered);
  EXPECT_EQ(wreck.finished_items, 4U);
  EXPECT_EQ(wreck.stream.size(), 10U);
}

}  // namespace
}  // namespace runner::ipc
