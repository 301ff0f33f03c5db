// Chunks between two threads over one mapping, for the thread sanitizer: the bytes of results are no atomics; one word says how far
// they came, and while the worker writes on, the other side reads what lies before it.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/chunk_ends.hpp"
#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

// An item sink over plain memory, with the word that ItemSink publishes.
class Results final : public ItemSink {
 public:
  Results(std::atomic<std::uint64_t>& word, std::span<std::byte> room) {
    word_ = &word;
    room_ = room;
  }
  void overflow(const WireContent&) override { ADD_FAILURE() << "there is room"; }

 private:
  void tell() override {}
};

TEST(ChunkThreads, WhatLiesBeforeThePublishedEndMayBeReadWhileTheWorkerWritesOn) {
  constexpr std::uint32_t items = 100'000;
  std::atomic<std::uint64_t> word{0};
  const std::unique_ptr<std::byte[]> memory(new std::byte[items * sizeof(std::uint64_t)]);
  std::thread worker([&] {
    Results sink(word, {memory.get(), items * sizeof(std::uint64_t)});
    for (std::uint32_t i = 0; i < items; ++i) {
      sink.enter(i);
      EXPECT_TRUE(put_result(sink, std::uint64_t{i} * i));
    }
    sink.enter(items);
  });
  std::uint32_t read = 0;
  while (read < items) {
    const ItemProgress progress = unpack_progress(word.load(std::memory_order_acquire));
    EXPECT_EQ(progress.end, progress.item * sizeof(std::uint64_t));
    for (; read < progress.item; ++read) {
      std::uint64_t result = 0;
      std::memcpy(&result, memory.get() + read * sizeof result, sizeof result);
      if (result != std::uint64_t{read} * read) ADD_FAILURE() << "item " << read << " is torn";
    }
    std::this_thread::yield();
  }
  worker.join();
}

class ChunkThreadsOver : public testing::TestWithParam<Transport> {};
INSTANTIATE_TEST_SUITE_P(Ends, ChunkThreadsOver, testing::Values(Transport::shm, Transport::pipe),
                         [](const auto& over) { return transport_name(over.param); });

TEST_P(ChunkThreadsOver, EveryItemIsDoneOnceOrItsChunkTakenBackAndNeverBoth) {
  constexpr std::size_t chunks = 8'000;
  const Silence silence;
  Result<ChannelEnds> made = make_channel(GetParam(), {.depth = 16, .out_bytes = 64 * 1024}, 256 * 1024);
  ASSERT_TRUE(made.has_value()) << made.error().text;
  ChannelEnds& ends = *made;
  Requester& master = ends.jobs->bytes();
  std::size_t served = 0;  // the worker's
  std::thread worker([&] {
    ChunkWorker hands(*ends.responder);
    while (hands.serve()) ++served;
  });

  struct Sent {
    Sizes sizes;
    bool taken = false;
  };
  std::vector<Sent> sent;  // by ticket
  std::size_t head = 0, taken_back = 0, answered = 0;
  std::mt19937_64 random(12);
  const auto skip_taken = [&] {
    while (head < sent.size() && sent[head].taken) ++head;
  };
  const auto collect = [&] {
    for (;;) {
      const Result<Reply*> got = master.front();
      ASSERT_TRUE(got.has_value()) << got.error().text;
      skip_taken();
      if (*got == nullptr) return;
      ASSERT_LT(head, sent.size());
      ASSERT_EQ(number((*got)->ticket), head);
      const Sizes& sizes = sent[head].sizes;
      const std::uint32_t finished = (*got)->finished_items;
      ASSERT_EQ(read_results((*got)->stream.bytes, finished), expected(sizes, finished));
      if ((*got)->last_part == LastPart::result) {
        ASSERT_EQ(read_results((*got)->last.bytes, 1).front(), letters(sizes[finished]));
      } else {
        ASSERT_EQ(finished, sizes.size());
      }
      master.pop();
      ++head;
      ++answered;
    }
  };
  while (sent.size() < chunks || head < sent.size()) {
    while (sent.size() < chunks && !master.full() && random() % 8 != 0) {
      Sizes sizes(1 + random() % 20);
      for (std::size_t& size : sizes) size = random() % 100 == 0 ? 3'000 : random() % 40;
      if (random() % 50 == 0) sizes.resize(2'000, 2);  // longer than a packet of a pipe
      ASSERT_TRUE(ask(master, sizes, 64 * sizes.size()).has_value());
      sent.push_back({std::move(sizes)});
      if (random() % 4 == 0) static_cast<void>(master.kick());
    }
    for (std::size_t back = sent.size(); back > head && random() % 3 == 0; --back) {
      if (sent[back - 1].taken) continue;
      std::vector<Ticket> came_back;
      master.take_back(Ticket{back - 1}, came_back);
      if (came_back.empty()) break;
      for (const Ticket ticket : came_back) {
        ASSERT_FALSE(sent[number(ticket)].taken);
        sent[number(ticket)].taken = true;
        ++taken_back;
      }
    }
    ASSERT_TRUE(master.kick().has_value());
    collect();
    if (testing::Test::HasFatalFailure()) break;
    if (head < sent.size() && random() % 4 == 0) ends.sleep(Ticket{head});
  }
  master.close();
  worker.join();
  EXPECT_EQ(served, answered);
  EXPECT_EQ(answered + taken_back, chunks);
  EXPECT_GT(taken_back, 0U);
}

}  // namespace
}  // namespace runner::ipc
