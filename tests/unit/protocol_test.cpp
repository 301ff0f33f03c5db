// A peer that breaks the rules: every lie is ErrorCode::protocol at the side that reads it, and nothing worse.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/channel_ends.hpp"
#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

std::string reply_wire(std::uint64_t job, std::uint32_t attempt, const std::function<void(Outcome&)>& change = {}) {
  JobReply reply{JobId{job}, Attempt{attempt}, {}, false};
  if (change) change(reply.outcome);
  WireWriter sizing({});
  write_reply(sizing, reply);
  std::string wire(sizing.size(), '\0');
  WireWriter out(std::as_writable_bytes(std::span(wire)));
  write_reply(out, reply);
  return wire;
}

// ---- shared memory: the worker is a pair of hands in the channel ----

class LyingSlots : public testing::Test {
 protected:
  void SetUp() override {
    Result<ChannelEnds> made =
        offer_channel(Transport::shm, {.depth = 4, .out_bytes = 64 * 1024}, std::size_t{1} << 20, 0, Bytes{kAllowed});
    ASSERT_TRUE(made.has_value());
    ends_ = std::move(*made);
    ControlMessage message;
    ASSERT_TRUE(receive_control(ends_.worker_control.get(), message, true).has_value());
    Result<SharedRegion> channel = SharedRegion::open(std::move(message.files[0]), channel_bytes(4), Access::read_write);
    ASSERT_TRUE(channel.has_value());
    channel_ = std::move(*channel);
    Result<SharedRegion> out = SharedRegion::open(std::move(message.files[2]), 64 * 1024, Access::read_write);
    ASSERT_TRUE(out.has_value());
    out_ = std::move(*out);
    ticket_ = ends_.requester().send(JobId{5}, Attempt{2}, TypedWork{"kind", "args"}).value();
    honest();
  }
  Slot& slot() { return slot_of(channel_.data(), 4, number(ticket_)); }
  void word(std::uint64_t seq, SlotState state) { slot().word.store(pack({seq, state})); }
  // What a worker that keeps the rules would have written.
  void honest(const std::string& wire = reply_wire(5, 2)) {
    slot().progress.store(0);
    slot().last_part = LastPart::result;
    slot().reply_place = Place::inline_;
    slot().reply_files = 0;
    slot().reply_bytes = wire.size();
    std::memcpy(slot().reply, wire.data(), std::min(wire.size(), kInlineReply));
    slot().started_ns = 1;
    slot().finished_ns = 2;
    word(number(ticket_), SlotState::done);
  }
  void send_files(std::uint64_t ticket, std::vector<int> files) {
    ASSERT_TRUE(send_note(ends_.worker_control.get(), {NoteTag::files, ticket}, files).has_value());
  }
  // A memfd as a worker seals one; the worker's own copy closes here.
  void send_payload(const std::string& wire) {
    const Result<UniqueFd> sealed = seal_payload(TextContent(wire), wire.size());
    ASSERT_TRUE(sealed.has_value());
    send_files(number(ticket_), {sealed->get()});
  }
  [[nodiscard]] bool refused() {
    Completion completion;
    const Result<bool> got = ends_.requester().collect(completion);
    return !got.has_value() && got.error().code == ErrorCode::protocol;
  }
  [[nodiscard]] bool delivered() {
    Completion completion;
    return ends_.requester().collect(completion).value_or(false);
  }

  static constexpr std::uint64_t kAllowed = 1000;  // bytes of a result

  Silence silence_;
  ChannelEnds ends_;
  SharedRegion channel_, out_;
  Ticket ticket_{};
};

TEST_F(LyingSlots, AreBelievedWhenTheyKeepTheRules) { EXPECT_TRUE(delivered()); }

TEST_F(LyingSlots, MayNotChangeTheirSequenceNumberOrInventAState) {
  word(number(ticket_) + 4, SlotState::done);
  EXPECT_TRUE(refused());
  EXPECT_EQ(ends_.requester().fate(ticket_), Fate::unknown) << "nobody knows, so it may have had effects";
  for (const SlotState state : {SlotState::free, SlotState::revoked, static_cast<SlotState>(6), static_cast<SlotState>(15)}) {
    word(number(ticket_), state);
    EXPECT_TRUE(refused());
  }
}

TEST_F(LyingSlots, MayNotAnswerForAnotherJobOrAttempt) {
  honest(reply_wire(6, 2));
  EXPECT_TRUE(refused());
  honest(reply_wire(5, 1));
  EXPECT_TRUE(refused());
}

TEST_F(LyingSlots, MayNotAnnounceBytesWhereNoneCanLie) {
  slot().reply_place = static_cast<Place>(3);
  EXPECT_TRUE(refused());
  slot().reply_place = Place::inline_;
  for (const std::uint64_t bytes : {kInlineReply + 1, std::size_t{1} << 32, SIZE_MAX}) {
    slot().reply_bytes = bytes;
    EXPECT_TRUE(refused());
  }
  slot().reply_place = Place::arena;
  for (const auto& [offset, bytes] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {64 * 1024, 1}, {64 * 1024 - 10, 11}, {0, 64 * 1024 + 1}, {UINT64_MAX, 2}, {UINT64_MAX - 1, 64}, {1, UINT64_MAX}}) {
    slot().reply_offset = offset;
    slot().reply_bytes = bytes;
    EXPECT_TRUE(refused()) << offset << " " << bytes;
  }
}

TEST_F(LyingSlots, MayNotAnnounceFilesThatDoNotComeOrAreNone) {
  slot().reply_files = 4;
  EXPECT_TRUE(refused());
  slot().reply_files = UINT32_MAX;
  EXPECT_TRUE(refused());
  honest(reply_wire(5, 2, [](Outcome& outcome) { outcome.out.bytes = Captured::kCaptureInMemory + 1; }));
  slot().reply_files = kOutSpilled;
  EXPECT_TRUE(refused()) << "none came";
  send_files(number(ticket_) + 1, {channel_.fd()});
  EXPECT_TRUE(refused()) << "they belong to another reply";
  send_files(number(ticket_), {channel_.fd(), channel_.fd()});
  EXPECT_TRUE(refused()) << "too many";
  send_files(number(ticket_), {ends_.worker_control.get()});
  EXPECT_TRUE(refused()) << "a socket, from which the master would read for ever";
  send_files(number(ticket_), {channel_.fd()});
  EXPECT_TRUE(delivered());
}

TEST_F(LyingSlots, MayNotSendAPayloadThatTheyCouldStillChange) {
  const std::string wire = reply_wire(5, 2);
  slot().reply_place = Place::memfd;
  slot().reply_bytes = wire.size();
  EXPECT_TRUE(refused()) << "none came";
  const UniqueFd open(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::write(open.get(), wire.data(), wire.size()), static_cast<ssize_t>(wire.size()));
  send_files(number(ticket_), {open.get()});
  EXPECT_TRUE(refused());
  for (const std::uint64_t bytes : {wire.size() - 1, wire.size() + 1, SIZE_MAX}) {
    send_payload(wire);
    slot().reply_bytes = bytes;
    EXPECT_TRUE(refused());
  }
  slot().reply_bytes = wire.size();
  send_payload(wire);
  EXPECT_TRUE(delivered());
}

TEST_F(LyingSlots, CannotMakeTheMasterWaitAtABellThatTheyHaveSilenced) {
  const int bell = ends_.requester().doorbell();  // its flags are those of the worker's copy
  ASSERT_EQ(::fcntl(bell, F_SETFL, 0), 0);
  ends_.requester().hush();
  const std::uint64_t rings = 3;
  ASSERT_EQ(::write(bell, &rings, sizeof rings), 8);
  ends_.requester().hush();
  pollfd ready{bell, POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 0), 0) << "hushed";
}

TEST_F(LyingSlots, MayNotSendMoreThanTheLargestResultNeeds) {
  const auto send = [this](std::uint64_t bytes) {
    std::string wire = reply_wire(5, 2);
    wire.resize(bytes, 'r');
    honest(wire);
    slot().reply_place = Place::memfd;
    send_payload(wire);
  };
  send(longest_reply(kAllowed));
  EXPECT_TRUE(delivered());
  ticket_ = ends_.requester().send(JobId{5}, Attempt{2}, TypedWork{"kind", "args"}).value();
  send(longest_reply(kAllowed) + 1);
  EXPECT_TRUE(refused());
}

TEST_F(LyingSlots, CannotDeliverAReplyToARequestThatWasTakenBack) {
  const Ticket second = ends_.requester().send(JobId{6}, Attempt{1}, TypedWork{"kind", ""}).value();
  ASSERT_TRUE(ends_.take_back(second));
  ASSERT_TRUE(delivered());
  ticket_ = second;
  honest(reply_wire(6, 1));
  Completion completion;
  const Result<bool> got = ends_.requester().collect(completion);
  EXPECT_TRUE(got.has_value() && !*got);
  // ... and its slot is of use again.
  for (std::uint64_t i = 0; i < 4; ++i)
    EXPECT_TRUE(ends_.requester().send(JobId{i}, Attempt{1}, TypedWork{"kind", ""}).has_value());
  EXPECT_TRUE(ends_.requester().full());
}

TEST_F(LyingSlots, FullOfAnyBytesAreRefusedOrReadButNeverMore) {
  std::mt19937_64 random(2024);
  int kept = 0;
  for (int round = 0; round < 60'000; ++round) {
    honest(reply_wire(5, 2, [&](Outcome& outcome) {
      if (random() % 2 == 0) outcome.ending = Failed{"exit status 1"};
      if (random() % 2 == 0) outcome.exit_code = 1;
      outcome.result = std::string(random() % 40, 'r');
    }));
    auto* bytes = reinterpret_cast<unsigned char*>(&slot().progress);
    const std::size_t size = sizeof(Slot) - offsetof(Slot, progress);
    for (std::uint64_t flips = 1 + random() % 4; flips > 0; --flips)
      bytes[random() % size] = static_cast<unsigned char>(random());
    if (random() % 10 == 0) slot().reply_offset = random() % (80 * 1024);
    Completion completion;
    const Result<bool> got = ends_.requester().collect(completion);
    if (!got) {
      ASSERT_EQ(got.error().code, ErrorCode::protocol);
    } else if (*got) {
      ++kept;
      ticket_ = ends_.requester().send(JobId{5}, Attempt{2}, TypedWork{"kind", "args"}).value();
    }
  }
  EXPECT_GT(kept, 1'000) << "a byte of the result may be any";
}

TEST(Responder, RefusesAChannelThatIsNotTheOneAnnounced) {
  const Silence silence;
  const std::vector<std::function<void(ChannelHeader&)>> lies{
      [](ChannelHeader& header) { header.magic ^= 1; }, [](ChannelHeader& header) { header.layout_hash ^= 1; },
      [](ChannelHeader& header) { header.depth = 2; }, [](ChannelHeader& header) { ++header.worker; },
      [](ChannelHeader& header) { ++header.incarnation; }};
  for (const auto& lie : lies) {
    Result<ChannelEnds> ends = offer_channel(Transport::shm, {.depth = 4});
    ASSERT_TRUE(ends.has_value());
    const int fd = static_cast<ShmRequester&>(ends->requester().requester()).files()[0];
    Result<SharedRegion> channel =
        SharedRegion::open(UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)), channel_bytes(4), Access::read_write);
    ASSERT_TRUE(channel.has_value());
    lie(channel_header(channel->data()));
    const Result<void> accepted = accept_channel(*ends);
    ASSERT_FALSE(accepted.has_value());
    EXPECT_EQ(accepted.error().code, ErrorCode::protocol);
  }
}

TEST(Responder, RefusesAHelloWithTheWrongDescriptors) {
  const Silence silence;
  for (const Transport transport : {Transport::shm, Transport::pipe}) {
    Result<ChannelEnds> ends = offer_channel(transport);
    ASSERT_TRUE(ends.has_value());
    ControlMessage message;
    ASSERT_TRUE(receive_control(ends->worker_control.get(), message, true).has_value());
    message.files.pop_back();
    if (transport == Transport::shm) {
      EXPECT_EQ(ShmResponder::open(ends->hello, std::move(message.files), -1).error().code, ErrorCode::protocol);
    } else {
      EXPECT_EQ(PipeResponder::open(ends->hello, std::move(message.files), -1).error().code, ErrorCode::protocol);
    }
  }
}

// ---- pipes: the worker writes what it likes ----

class LyingPipe : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::pair<UniqueFd, UniqueFd>> control = control_pair();
    ASSERT_TRUE(control.has_value());
    control_ = std::move(control->first);
    worker_control_ = std::move(control->second);
    begin();
  }
  // A new connection, with one request outstanding as ticket 0.
  void begin() {
    Result<PipeRequester::Made> made = PipeRequester::create(control_.get(), kMaxResult.count);
    ASSERT_TRUE(made.has_value());
    requester_ = std::move(made->requester);
    jobs_.emplace(*requester_);
    requests_ = std::move(made->requests);
    replies_ = std::move(made->replies);
    ASSERT_TRUE(jobs_->send(JobId{5}, Attempt{2}, TypedWork{"kind", "args"}).has_value());
    ASSERT_TRUE(requester_->kick().has_value());
  }
  void write(const std::string& bytes) {
    ASSERT_EQ(::write(replies_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void frame(const std::string& message) { write(to_wire(static_cast<std::uint32_t>(message.size())) + message); }
  static std::string entered(std::uint64_t ticket) {
    return to_wire(std::uint8_t{1}) + to_wire(ticket) + to_wire(std::int64_t{1});
  }
  static std::string reply(std::uint64_t ticket, std::uint32_t files, const std::string& wire) {
    return to_wire(static_cast<std::uint8_t>(PipeTag::reply)) + to_wire(ticket) + to_wire(std::int64_t{2}) +
           to_wire(std::uint32_t{0}) + to_wire(static_cast<std::uint16_t>(LastPart::result)) + to_wire(files) +
           to_wire(std::uint32_t{0}) + wire;
  }
  Result<bool> collect() {
    Completion completion;
    return jobs_->collect(completion);
  }
  // Whether these frames, in this order, are refused; then begins anew.
  [[nodiscard]] bool refused(const std::vector<std::string>& messages) {
    for (const std::string& message : messages) frame(message);
    const Result<bool> got = collect();
    begin();
    return !got.has_value() && got.error().code == ErrorCode::protocol;
  }

  Silence silence_;
  UniqueFd control_, worker_control_, requests_, replies_;
  std::unique_ptr<PipeRequester> requester_;
  std::optional<JobRequester> jobs_;
};

TEST_F(LyingPipe, IsBelievedWhenItKeepsTheRules) {
  frame(entered(0));
  frame(reply(0, 0, reply_wire(5, 2)));
  EXPECT_TRUE(collect().value_or(false));
}

TEST_F(LyingPipe, MayNotSpeakOfAnotherRequestThanTheNext) {
  EXPECT_TRUE(refused({entered(1)}));
  EXPECT_TRUE(refused({entered(0), reply(1, 0, reply_wire(5, 2))}));
  EXPECT_TRUE(refused({entered(0), reply(0, 0, reply_wire(6, 2))}));
  EXPECT_TRUE(refused({entered(0), reply(0, 0, reply_wire(5, 3))}));
  EXPECT_TRUE(refused({entered(UINT64_MAX)}));
}

TEST_F(LyingPipe, MayNotAnswerBeforeItEnteredEnterTwiceOrAnswerTwice) {
  EXPECT_TRUE(refused({reply(0, 0, reply_wire(5, 2))}));
  EXPECT_TRUE(refused({entered(0), entered(0)}));
  frame(entered(0));
  frame(reply(0, 0, reply_wire(5, 2)));
  frame(reply(0, 0, reply_wire(5, 2)));
  EXPECT_TRUE(collect().value_or(false));
  EXPECT_EQ(collect().error().code, ErrorCode::protocol);
}

TEST_F(LyingPipe, MayNotSendAnUnknownTagOrACutOffMessage) {
  EXPECT_TRUE(refused({""}));
  EXPECT_TRUE(refused({"\x01"}));
  EXPECT_TRUE(refused({entered(0) + "x"}));
  std::string unknown = entered(0);
  unknown[0] = 4;
  EXPECT_TRUE(refused({unknown}));
  const std::string whole = reply(0, 0, reply_wire(5, 2));
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_TRUE(refused({entered(0), whole.substr(0, length)})) << length;
}

TEST_F(LyingPipe, MayNotGoOnTellingThatItCameNoFurther) {
  const auto came_to = [](std::uint32_t item) {
    return to_wire(static_cast<std::uint8_t>(PipeTag::progress)) + to_wire(std::uint64_t{0}) + to_wire(item);
  };
  EXPECT_TRUE(refused({entered(0), came_to(0)})) << "entering said so";
  EXPECT_TRUE(refused({entered(0), came_to(1), came_to(1)}));
  frame(entered(0));
  frame(came_to(1));
  EXPECT_FALSE(collect().value_or(true));
}

TEST_F(LyingPipe, MayForgeRequestsThatComeBackToTheMaster) {
  const std::string path = "/proc/self/fd/" + std::to_string(requests_.get());
  const UniqueFd forge(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_EQ(::fcntl(forge.get(), F_SETFL, O_NONBLOCK | O_DIRECT), 0);
  const auto packet = [&](std::uint64_t ticket) {
    const std::string message = to_wire(std::uint32_t{8}) + to_wire(ticket);
    ASSERT_EQ(::write(forge.get(), message.data(), message.size()), static_cast<ssize_t>(message.size()));
  };
  char taken[PIPE_BUF];
  ASSERT_GT(::read(requests_.get(), taken, sizeof taken), 0) << "the worker has it";
  frame(entered(0));
  ASSERT_FALSE(collect().value_or(true));
  const Ticket second = jobs_->send(JobId{6}, Attempt{1}, TypedWork{"kind", "args"}).value();
  packet(0);
  packet(77);
  packet(1);
  std::vector<Ticket> back;
  ASSERT_TRUE(requester_->kick().has_value());
  jobs_->take_back(second, back);
  EXPECT_EQ(requester_->wreck(Ticket{0}).fate, Fate::entered) << "it was entered, whatever else is said";
  for (const Ticket one : back) EXPECT_EQ(one, second);
}

TEST_F(LyingPipe, MayNotAnnounceFilesThatDoNotCome) {
  EXPECT_TRUE(refused({entered(0), reply(0, 1, reply_wire(5, 2))}));
  EXPECT_TRUE(refused({entered(0), reply(0, 4, reply_wire(5, 2))}));
  EXPECT_TRUE(refused({entered(0), reply(0, UINT32_MAX, reply_wire(5, 2))}));
}

TEST_F(LyingPipe, MayClaimAnyAllowedLengthWithoutCostingMemory) {
  write(to_wire(static_cast<std::uint32_t>(kMaxResult.count)) + std::string(1000, 'x'));
  EXPECT_FALSE(collect().value_or(true)) << "only what really arrives is kept";
}

TEST_F(LyingPipe, MayNotClaimMoreThanTheLargestResultNeeds) {
  write(std::string("\xff\xff\xff\xff") + std::string(1000, 'x'));
  EXPECT_EQ(collect().error().code, ErrorCode::protocol);
}

TEST_F(LyingPipe, FullOfAnyBytesIsRefusedOrReadButNeverMore) {
  std::mt19937_64 random(2025);
  for (int round = 0; round < 5'000; ++round) {
    std::string bytes = to_wire(std::uint32_t{17}) + entered(0) +
                        to_wire(static_cast<std::uint32_t>(reply(0, 0, reply_wire(5, 2)).size())) +
                        reply(0, 0, reply_wire(5, 2));
    for (std::uint64_t flips = 1 + random() % 5; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    write(bytes);
    const Result<bool> got = collect();
    if (!got) {
      ASSERT_EQ(got.error().code, ErrorCode::protocol);
    }
    begin();
  }
}

}  // namespace
}  // namespace runner::ipc
