// The master's reader of a channel whose other side changes all it can change, all the time, also between the check of a byte and its
// use. What comes out is a reply that lies where replies may lie, or a violation with a name; RUNNER_FUZZ_INPUTS says how often.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/channel_ends.hpp"
#include "tests/chaos/nonsense.hpp"
#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

constexpr std::uint32_t kDepth = 4;
constexpr std::size_t kOut = 16 * 1024;
constexpr std::uint64_t kInputsPerChannel = 20'000;

std::uint64_t inputs() {
  const char* const asked = std::getenv("RUNNER_FUZZ_INPUTS");
  return asked != nullptr ? std::strtoull(asked, nullptr, 10) : 200'000;
}

// Where segments of ours are mapped.
struct Range {
  std::uintptr_t begin = 0, end = 0;
};
std::vector<Range> segments() {
  std::vector<Range> ranges;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:runner-out") == std::string::npos && line.find("memfd:runner-channel") == std::string::npos) continue;
    Range range;
    char dash = 0;
    std::istringstream(line) >> std::hex >> range.begin >> dash >> range.end;
    ranges.push_back(range);
  }
  return ranges;
}

struct Tally {
  std::uint64_t replies = 0, violations = 0, nothing = 0, entered = 0, untouched = 0, unknown = 0;
};

class FlippedChannel {
 public:
  explicit FlippedChannel(std::uint64_t seed) : random_(seed) {
    ends_ = offer_channel(Transport::shm, {.depth = kDepth, .out_bytes = kOut, .memfd_from = 1024}).value();
    const std::vector<int> files = static_cast<ShmRequester&>(master()).files();
    const auto map = [](int fd, std::size_t bytes) {
      return SharedRegion::open(UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)), bytes, Access::read_write).value();
    };
    channel_ = map(files[0], channel_bytes(kDepth));
    out_ = map(files[2], kOut);
    segments_ = segments();
    flipper_ = std::thread([this, seed] { flip(seed); });
  }
  ~FlippedChannel() {
    over_ = true;
    flipper_.join();
  }

  // One request, one reply of sorts, and all that a master asks about it.
  void input(Tally& tally) {
    while (sent_ - collected_ < 2) {
      const std::uint32_t items = 1 + static_cast<std::uint32_t>(random_() % 4);
      const TextContent content("arguments");
      ASSERT_TRUE(master().send({.form = Form::call, .items = items, .stream_room = 256, .timed = true, .content = content}));
      items_[sent_++ % kDepth] = items;
    }
    const std::uint64_t seq = collected_;
    const std::uint32_t items = items_[seq % kDepth];
    reading_.store(seq, std::memory_order_relaxed);
    answer(slot_of(channel_.data(), kDepth, seq), seq, items);

    const Result<Reply*> front = master().front();
    if (!front) {
      ASSERT_EQ(front.error().code, ErrorCode::protocol) << front.error().text;
      ++tally.violations;
    } else if (*front == nullptr) {
      ++tally.nothing;
    } else {
      ++tally.replies;
      expect_possible(**front, items);
      master().pop();
      ++collected_;
    }
    look_at_the_wreck(seq + 1, tally);
  }

 private:
  [[nodiscard]] Requester& master() const { return ends_.jobs->bytes(); }

  // What an honest worker would have written, or nearly.
  void answer(Slot& at, std::uint64_t seq, std::uint32_t items) {
    if (random_() % 8 == 0) {
      chaos::forge_reply(at, random_);
    } else {
      const bool last = random_() % 2 == 0;
      at.progress.store(runner::pack(ItemProgress{last ? items - 1 : items, random_() % 256}));
      at.stream_offset = random_() % (kOut - 256);
      at.last_part = last ? static_cast<LastPart>(1 + random_() % 2) : LastPart::none;
      at.reply_place = static_cast<Place>(random_() % 2);
      at.reply_offset = random_() % (kOut - 256);
      at.reply_bytes = random_() % (at.reply_place == Place::inline_ ? kInlineReply : 256);
      at.reply_files = 0;
      if (last && random_() % 64 == 0) send_payload(at, seq);
    }
    at.word.store(pack({seq, random_() % 16 == 0 ? SlotState::running : SlotState::done}));
  }
  void send_payload(Slot& at, std::uint64_t seq) {
    const std::string text(2000, 'p');
    const Result<UniqueFd> sealed = seal_payload(TextContent(text), text.size());
    ASSERT_TRUE(sealed.has_value()) << sealed.error().text;
    const int fd = sealed->get();
    static_cast<void>(send_note(ends_.worker_control.get(), {NoteTag::files, seq}, std::span(&fd, 1), false));
    at.reply_place = Place::memfd;
    at.reply_bytes = text.size();
  }

  void expect_possible(const Reply& reply, std::uint32_t items) {
    ASSERT_EQ(reply.ticket, Ticket{collected_});
    ASSERT_LE(reply.finished_items, items);
    ASSERT_EQ(reply.finished_items == items, reply.last_part == LastPart::none);
    ASSERT_LE(reply.last_part, LastPart::failure);
    for (const ReplyBytes* part : {&reply.stream, &reply.last}) {
      if (part->owner == nullptr) expect_inside(part->bytes);
      read_all(part->bytes);
    }
    // As the bytes of a job's outcome they are no more than a violation either.
    const std::string copy(reinterpret_cast<const char*>(reply.last.bytes.data()), reply.last.bytes.size());
    const Result<JobReply> outcome = read_reply(as_bytes(copy), 0);
    ASSERT_TRUE(outcome || outcome.error().code == ErrorCode::protocol);
  }
  void expect_inside(std::span<const std::byte> bytes) const {
    if (bytes.empty()) return;
    const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
    const bool inside = std::any_of(segments_.begin(), segments_.end(), [&](const Range& range) {
      return begin >= range.begin && begin < range.end && bytes.size() <= range.end - begin;
    });
    ASSERT_TRUE(inside) << bytes.size() << " bytes that lie in no segment, or in two";
  }
  void read_all(std::span<const std::byte> bytes) {
    for (const std::byte one : bytes) read_ = read_ + std::to_integer<unsigned>(one);
  }

  // As if the worker had died now: of the request behind, and by way of the pure function.
  void look_at_the_wreck(std::uint64_t seq, Tally& tally) {
    const std::uint32_t items = items_[seq % kDepth];
    Slot& at = slot_of(channel_.data(), kDepth, seq);
    at.stream_offset = random_() % kOut;
    at.progress.store(runner::pack(ItemProgress{static_cast<std::uint32_t>(random_() % 5), random_() % kOut}));
    at.word.store(pack({seq, SlotState::running}));
    for (const bool pure : {false, true}) {
      const Wreck wreck =
          pure ? examine(at, seq, {.items = items, .timed = true, .payload = {}}, out_.bytes()) : master().wreck(Ticket{seq});
      switch (wreck.fate) {
        case Fate::untouched: ++tally.untouched; break;
        case Fate::unknown: ++tally.unknown; break;
        case Fate::entered:
          ++tally.entered;
          ASSERT_LE(wreck.finished_items, items);
          expect_inside(wreck.stream);
          read_all(wreck.stream);
          break;
      }
    }
    static_cast<void>(master().entered(Ticket{seq}));
    static_cast<void>(master().done(Ticket{seq}));
    ASSERT_TRUE(master().kick());
  }

  void flip(std::uint64_t seed) {
    std::mt19937_64 random(~seed);
    const std::span<std::byte> slots = channel_.bytes().subspan(offsetof(ChannelHeader, sleeping));
    // Through volatile, as another process would: nothing of it may be put off.
    const auto flip_bit = [](std::byte& one, std::uint64_t bit) {
      auto& at = reinterpret_cast<volatile unsigned char&>(one);
      at = static_cast<unsigned char>(at ^ (1U << bit % 8));
    };
    while (!over_.load(std::memory_order_relaxed)) {
      for (int i = 0; i < 16; ++i) {
        const std::uint64_t what = random();
        flip_bit(what % 4 == 0 ? out_.bytes()[what / 4 % kOut] : slots[what / 4 % slots.size()], what >> 61);
      }
      // There and back again, in what tells where the reply lies that is being read: right at one look, wrong at the next.
      constexpr std::size_t first = offsetof(Slot, progress), inside = kInlineReply + 2;
      auto* const slot =
          reinterpret_cast<std::byte*>(&slot_of(channel_.data(), kDepth, reading_.load(std::memory_order_relaxed)));
      for (int i = 0; i < 64; ++i) {
        std::size_t field = first + random() % (sizeof(Slot) - first - inside);
        if (field >= offsetof(Slot, reply)) field += kInlineReply;
        for (int turn = 0; turn < 8; ++turn) flip_bit(slot[field], 7);
      }
    }
  }

  std::mt19937_64 random_;
  ChannelEnds ends_;
  SharedRegion channel_, out_;
  std::vector<Range> segments_;
  std::uint64_t sent_ = 0, collected_ = 0;
  std::uint32_t items_[kDepth] = {};
  volatile unsigned read_ = 0;
  std::atomic<bool> over_{false};
  std::atomic<std::uint64_t> reading_{0};
  std::thread flipper_;
};

TEST(AChannelWhoseBytesFlipWhileItIsRead, GivesAPossibleReplyOrANamedViolation) {
  const Silence silence;
  Tally tally;
  for (std::uint64_t done = 0; done < inputs(); done += kInputsPerChannel) {
    FlippedChannel channel(done);
    for (std::uint64_t i = 0; i < kInputsPerChannel; ++i) {
      channel.input(tally);
      if (HasFatalFailure()) return;
    }
  }
  const auto print = [](const char* what, std::uint64_t count) {
    std::printf("    %s %llu\n", what, static_cast<unsigned long long>(count));
  };
  print("possible replies", tally.replies);
  print("violations", tally.violations);
  print("nothing yet", tally.nothing);
  print("wrecks: entered", tally.entered);
  print("wrecks: untouched", tally.untouched);
  print("wrecks: unknown", tally.unknown);
  for (const std::uint64_t count : {tally.replies, tally.violations, tally.nothing, tally.entered, tally.unknown}) {
    EXPECT_GT(count, inputs() / 1000) << "some way out is hardly ever taken";
  }
}

}  // namespace
}  // namespace runner::ipc
