// The protocol of one slot between two threads over one mapping, where ThreadSanitizer sees every byte: both sides use the
// words, orders and places that requester and responder use, and payload bytes that are no atomics.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "ipc/layout.hpp"

namespace runner::ipc {
namespace {

constexpr std::uint32_t kDepth = 8;
constexpr std::uint64_t kJobs = 60'000;

class SlotThreads : public testing::Test {
 protected:
  SlotThreads() : slots_(std::make_unique<Slot[]>(kDepth)) {
    for (std::uint64_t seq = 0; seq < kDepth; ++seq)
      slot(seq).word.store(pack({seq, SlotState::free}), std::memory_order_relaxed);
  }
  [[nodiscard]] Slot& slot(std::uint64_t seq) { return slots_[seq & (kDepth - 1)]; }

  // The master's side.
  void send(std::uint64_t seq) {
    Slot& to = slot(seq);
    to.request_bytes = static_cast<std::uint32_t>(seq);
    to.request_offset = ~seq;
    to.word.store(pack({seq, SlotState::ready}), std::memory_order_seq_cst);
  }
  [[nodiscard]] bool take_back(std::uint64_t seq) {
    std::uint64_t expected = pack({seq, SlotState::ready});
    return slot(seq).word.compare_exchange_strong(expected, pack({seq, SlotState::revoked}), std::memory_order_acq_rel);
  }
  [[nodiscard]] bool collect(std::uint64_t seq) {
    Slot& from = slot(seq);
    if (unpack(from.word.load(std::memory_order_acquire)).state != SlotState::done) return false;
    EXPECT_EQ(from.reply_bytes, seq * 3);
    EXPECT_EQ(from.reply_offset, seq * 5);
    EXPECT_LE(from.started_ns, from.finished_ns);
    from.word.store(pack({seq + kDepth, SlotState::free}), std::memory_order_release);
    return true;
  }

  // The worker's: answers whether it ran `expected`; steps over what was taken back.
  [[nodiscard]] bool claim(std::uint64_t& expected) {
    for (;;) {
      std::atomic<std::uint64_t>& word = slot(expected).word;
      std::uint64_t bits = word.load(std::memory_order_seq_cst);
      const Word seen = unpack(bits);
      if (seen.seq > expected || (seen.seq == expected && seen.state == SlotState::revoked)) {
        if (++expected == kJobs) return false;
        continue;
      }
      if (seen.seq < expected || seen.state != SlotState::ready) return false;
      if (word.compare_exchange_strong(bits, pack({expected, SlotState::claimed}), std::memory_order_acq_rel)) return true;
    }
  }
  void run(std::uint64_t seq) {
    Slot& at = slot(seq);
    EXPECT_EQ(at.request_bytes, static_cast<std::uint32_t>(seq));
    EXPECT_EQ(at.request_offset, ~seq);
    at.started_ns = seq;
    at.word.store(pack({seq, SlotState::running}), std::memory_order_release);
    at.reply_bytes = seq * 3;
    at.reply_offset = seq * 5;
    at.finished_ns = seq + 1;
    at.word.store(pack({seq, SlotState::done}), std::memory_order_seq_cst);
  }

  std::unique_ptr<Slot[]> slots_;
};

TEST_F(SlotThreads, CarryEveryJobOnceWhenNoneIsTakenBack) {
  std::thread worker([this] {
    for (std::uint64_t seq = 0; seq < kJobs; ++seq) {
      while (!claim(seq)) std::this_thread::yield();
      run(seq);
    }
  });
  for (std::uint64_t head = 0, tail = 0; head < kJobs;) {
    if (tail < kJobs && tail - head < kDepth) {
      send(tail++);
    } else if (collect(head)) {
      ++head;
    } else {
      std::this_thread::yield();
    }
  }
  worker.join();
}

TEST_F(SlotThreads, LetEitherTheClaimOrTheTakingBackWinAndNeverBoth) {
  std::vector<char> ran(kJobs, 0), taken(kJobs, 0);
  std::thread worker([&] {
    for (std::uint64_t expected = 0; expected < kJobs;) {
      if (claim(expected)) {
        run(expected);
        ran[expected++] = 1;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (std::uint64_t head = 0, tail = 0; head < kJobs;) {
    if (tail < kJobs && tail - head < kDepth) {
      send(tail++);
      // The newest at once, in a race with a worker that is idle; or an older one, which it may have begun.
      const std::uint64_t which = tail % 3 == 0 ? tail - 1 : head;
      if (tail % 2 == 0 && taken[which] == 0) taken[which] = take_back(which) ? 1 : 0;
    } else if (taken[head] != 0 || collect(head)) {
      ++head;
    } else {
      std::this_thread::yield();
    }
  }
  // The last may have been taken back: the worker is told by a word that it will never see used again.
  worker.join();
  std::uint64_t twice = 0, never = 0, backs = 0;
  for (std::uint64_t seq = 0; seq < kJobs; ++seq) {
    twice += ran[seq] != 0 && taken[seq] != 0 ? 1U : 0U;
    never += ran[seq] == 0 && taken[seq] == 0 ? 1U : 0U;
    backs += taken[seq] != 0 ? 1U : 0U;
  }
  EXPECT_EQ(twice, 0U);
  EXPECT_EQ(never, 0U);
  EXPECT_GT(backs, 0U);
}

}  // namespace
}  // namespace runner::ipc
