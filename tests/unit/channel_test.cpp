// One contract of requester and responder, one suite, both transports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "ipc/os.hpp"
#include "tests/channel_ends.hpp"
#include "tests/letters.hpp"
#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

Work typed(std::string args) { return TypedWork{"echo", std::move(args)}; }

std::string args_of(const JobRequest& request) {
  const std::span<const std::byte> args = std::get<TypedView>(request.work).args;
  return {reinterpret_cast<const char*>(args.data()), args.size()};
}
Outcome echoed(const JobRequest& request) {
  Outcome outcome;
  outcome.result = args_of(request);
  return outcome;
}

class Channel : public testing::TestWithParam<Transport> {
 protected:
  void SetUp() override {
    Result<ChannelEnds> made = make_channel(GetParam());
    ASSERT_TRUE(made.has_value()) << made.error().text;
    ends_ = std::move(*made);
  }
  [[nodiscard]] JobRequester& master() { return ends_.requester(); }
  [[nodiscard]] ResponderEnd worker() { return ends_.worker(); }
  Ticket send(std::uint64_t job, const Work& work) {
    const Result<Ticket> ticket = master().send(JobId{job}, Attempt{1}, work);
    EXPECT_TRUE(ticket.has_value());
    return ticket.value_or(Ticket{});
  }
  // Both ends from one thread: only for what fits into a pipe.
  void kick() { EXPECT_TRUE(master().kick().has_value()); }
  JobRequest next() {
    Result<std::optional<JobRequest>> request = worker().next();
    EXPECT_TRUE(request.has_value() && request->has_value());
    return request && *request ? std::move(**request) : JobRequest{};
  }
  JobRequest next_entered() {
    JobRequest request = next();
    EXPECT_TRUE(worker().entering().has_value());
    return request;
  }
  void answer(const JobRequest& request, Outcome outcome) {
    EXPECT_TRUE(worker().answer({request.job, request.attempt, std::move(outcome), false}).has_value());
  }
  Completion collect() {
    Completion completion;
    const Result<bool> got = master().collect(completion);
    EXPECT_TRUE(got.has_value()) << got.error().text;
    EXPECT_TRUE(got.value_or(false)) << "nothing to collect";
    return completion;
  }
  bool nothing_to_collect() {
    Completion completion;
    const Result<bool> got = master().collect(completion);
    return got.has_value() && !*got;
  }

  Silence silence_;  // before the ends: it looks when they are gone
  ChannelEnds ends_;
};

INSTANTIATE_TEST_SUITE_P(Over, Channel, testing::Values(Transport::shm, Transport::pipe),
                         [](const auto& over) { return transport_name(over.param); });

TEST_P(Channel, CarriesArgumentsAndResultsOfAnySize) {
  std::thread other([&] { EXPECT_TRUE(answer_all(worker(), echoed).has_value()); });
  std::uint64_t job = 0;
  for (const std::size_t bytes :
       {0U, 1U, 40U, 60U, 86U, 87U, 88U, 89U, 103U, 104U, 105U, 4096U, 65'535U, 65'536U, 65'537U, 1U << 20, 5U << 20}) {
    const std::string args = letters(bytes);
    const Ticket ticket = send(++job, typed(args));
    kick();
    const Result<Completion> done = ends_.wait(ticket);
    ASSERT_TRUE(done.has_value()) << done.error().text;
    EXPECT_EQ(done->ticket, ticket);
    EXPECT_EQ(number(done->reply.job), job);
    EXPECT_TRUE(done->reply.outcome.result.text() == args) << bytes << " bytes came back changed";
    EXPECT_LE(done->seen, done->answered);
  }
  master().close();
  other.join();
}

TEST_P(Channel, HasNoRoomForAResultOfACallThatIsLargerThanAllowedAndRefusesItOtherwise) {
  Result<ChannelEnds> ends = offer_channel(GetParam(), {}, std::size_t{1} << 20, 0, Bytes{4});
  ASSERT_TRUE(ends.has_value() && accept_channel(*ends).has_value());
  Requester& master = ends->requester().requester();
  for (const std::uint32_t items : {1U, 3U}) {
    ASSERT_TRUE(master.send({.form = Form::call, .items = items, .stream_room = 100, .content = TextContent("")}).has_value());
    ASSERT_TRUE(master.kick().has_value());
    ASSERT_TRUE(ends->responder->next().has_value());
    ASSERT_TRUE(ends->responder->entering().has_value());
    ItemSink& sink = ends->responder->items();
    sink.enter(0);
    EXPECT_LE(sink.room().size(), 4U);
    sink.overflow(TextContent("12345"));
    ASSERT_TRUE(ends->responder->answer({}).has_value());
    const Result<Reply*> reply = master.front();
    ASSERT_TRUE(reply.has_value() && *reply != nullptr);
    EXPECT_EQ((*reply)->last_part, LastPart::failure);
    const std::span<const std::byte> why = (*reply)->last.bytes;
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(why.data()), why.size()), result_too_large(Bytes{5}, Bytes{4}));
    master.pop();
  }
}

TEST_P(Channel, CarriesACommandWithAllItsParts) {
  const CommandWork command{{"convert", "", "a b\n"}, "input.txt", "/tmp", {{"LANG", "C"}, {"EMPTY", ""}}};
  send(1, command);
  kick();
  const JobRequest request = next();
  const auto& seen = std::get<CommandWork>(request.work);
  EXPECT_EQ(seen.argv, command.argv);
  EXPECT_EQ(seen.stdin_path, command.stdin_path);
  EXPECT_EQ(seen.cwd, command.cwd);
  EXPECT_EQ(seen.env, command.env);
}

TEST_P(Channel, CarriesEveryEndingWithItsEvidence) {
  const std::vector<Ending> endings{Succeeded{},
                                    Failed{"exit status 3"},
                                    Crashed{11, "in its third minute"},
                                    TimedOut{std::chrono::seconds(2), "ended by SIGTERM"},
                                    Cancelled{"interrupted"},
                                    OutOfMemory{letters(500)}};
  for (const Ending& ending : endings) {
    send(9, typed(""));
    kick();
    const JobRequest request = next();
    ASSERT_TRUE(worker().entering().has_value());
    Outcome outcome;
    outcome.ending = ending;
    outcome.exit_code = 255;
    outcome.out = {};
    outcome.out.text = letters(200);
    outcome.out.bytes = 200;
    outcome.err.text = "short";
    outcome.err.bytes = 5;
    outcome.wall = std::chrono::nanoseconds(12);
    outcome.cpu = std::chrono::nanoseconds(7);
    answer(request, std::move(outcome));
    const Completion done = collect();
    EXPECT_EQ(done.reply.outcome.ending.index(), ending.index());
    Outcome sent;
    sent.ending = ending;
    EXPECT_EQ(describe(done.reply.outcome), describe(sent));
    EXPECT_EQ(done.reply.outcome.exit_code, 255);
    EXPECT_EQ(done.reply.outcome.out.text, letters(200));
    EXPECT_EQ(done.reply.outcome.err.text, "short");
    EXPECT_EQ(done.reply.outcome.wall.count(), 12);
    EXPECT_EQ(done.reply.outcome.cpu.count(), 7);
  }
}

Captured spilled(char fill) {
  Captured captured;
  captured.bytes = Captured::kCaptureInMemory + 1;
  captured.spill = UniqueFd(::memfd_create("spilled", MFD_CLOEXEC));
  const std::string all(captured.bytes, fill);
  EXPECT_EQ(::write(captured.spill.get(), all.data(), all.size()), static_cast<ssize_t>(all.size()));
  captured.text = std::string(1'000, fill);  // the test has one thread, and a pipe holds little
  return captured;
}
char first_of(const Captured& captured) {
  char c = 0;
  EXPECT_EQ(::pread(captured.spill.get(), &c, 1, 0), 1);
  return c;
}

TEST_P(Channel, PassesTheFilesOfSpilledOutput) {
  for (const bool out : {true, false}) {
    for (const bool err : {true, false}) {
      send(1, typed(""));
      kick();
      const JobRequest request = next();
      ASSERT_TRUE(worker().entering().has_value());
      Outcome outcome;
      if (out) outcome.out = spilled('o');
      if (err) outcome.err = spilled('e');
      answer(request, std::move(outcome));
      const Completion done = collect();
      ASSERT_EQ(static_cast<bool>(done.reply.outcome.out.spill), out);
      ASSERT_EQ(static_cast<bool>(done.reply.outcome.err.spill), err);
      if (out) {
        EXPECT_EQ(first_of(done.reply.outcome.out), 'o');
      }
      if (err) {
        EXPECT_EQ(first_of(done.reply.outcome.err), 'e');
      }
    }
  }
}

TEST_P(Channel, PassesAFileBesideALargeResult) {
  std::thread other([&] {
    EXPECT_TRUE(answer_all(worker(), [](const JobRequest& request) {
                  Outcome outcome = echoed(request);
                  outcome.err = spilled('e');
                  return outcome;
                }).has_value());
  });
  const Ticket ticket = send(1, typed(letters(2U << 20)));
  kick();
  const Result<Completion> done = ends_.wait(ticket);
  ASSERT_TRUE(done.has_value()) << done.error().text;
  EXPECT_TRUE(done->reply.outcome.result.text() == letters(2U << 20));
  EXPECT_EQ(first_of(done->reply.outcome.err), 'e');
  master().close();
  other.join();
}

TEST_P(Channel, FailsAJobWhoseAnswerCannotBeTakenAndNoOther) {
  send(1, typed("a"));
  send(2, typed("b"));
  kick();
  Outcome spilled = echoed(next_entered());
  spilled.out.bytes = Captured::kCaptureInMemory + 1;
  spilled.out.spill.reset(::memfd_create("spill", MFD_CLOEXEC));
  answer({.job = JobId{1}, .attempt = Attempt{1}, .work = {}}, std::move(spilled));
  const JobRequest second = next_entered();
  answer(second, echoed(second));
  os::faults::arm({.nth = 1, .error = EMFILE, .only = "fstat"});
  const Completion lost = collect();
  os::faults::disarm();
  EXPECT_EQ(number(lost.reply.job), 1U);
  ASSERT_TRUE(std::holds_alternative<Failed>(lost.reply.outcome.ending));
  EXPECT_THAT(std::get<Failed>(lost.reply.outcome.ending).reason,
              testing::AllOf(testing::StartsWith("its answer could not be taken: "), testing::HasSubstr("RLIMIT_NOFILE")));
  EXPECT_EQ(collect().reply.outcome.result.text(), "b");
}

TEST_P(Channel, LetsAWorkerAnswerWithLessWhenItCannotSendAll) {
  for (const char* call : {"memfd_create", "sendmsg"}) {
    if (GetParam() == Transport::pipe && std::string_view(call) == "memfd_create") continue;
    send(1, typed("a"));
    kick();
    const JobRequest request = next_entered();
    JobReply all{.job = request.job, .attempt = request.attempt, .outcome = {}, .terminated = false};
    if (GetParam() == Transport::shm) all.outcome.result = letters(1U << 20);
    all.outcome.out.bytes = Captured::kCaptureInMemory + 1;
    all.outcome.out.spill.reset(::memfd_create("spill", MFD_CLOEXEC));
    os::faults::arm({.nth = 1, .error = EMFILE, .only = call});
    const Result<void> sent = worker().answer(all);
    os::faults::disarm();
    ASSERT_FALSE(sent.has_value());
    EXPECT_EQ(sent.error().code, ErrorCode::unwritable);
    EXPECT_TRUE(nothing_to_collect());
    Outcome less;
    less.ending = Failed{"too much"};
    answer(request, std::move(less));
    EXPECT_EQ(std::get<Failed>(collect().reply.outcome.ending).reason, "too much");
  }
}

TEST_P(Channel, AnswersInTheOrderOfTicketsUntilItIsFullAndTakesMoreThen) {
  for (int round = 0; round < 3; ++round) {
    std::vector<Ticket> tickets;
    while (!master().full()) tickets.push_back(send(tickets.size(), typed(std::to_string(tickets.size()))));
    EXPECT_GE(tickets.size(), 64U);
    kick();
    for (std::size_t i = 0; i < tickets.size(); ++i) {
      const JobRequest request = next();
      EXPECT_EQ(args_of(request), std::to_string(i));
      ASSERT_TRUE(worker().entering().has_value());
      answer(request, echoed(request));
    }
    for (std::size_t i = 0; i < tickets.size(); ++i) {
      const Completion done = collect();
      EXPECT_EQ(done.ticket, tickets[i]);
      EXPECT_EQ(done.reply.outcome.result.text(), std::to_string(i));
    }
    EXPECT_TRUE(nothing_to_collect());
    EXPECT_FALSE(master().full());
  }
}

TEST_P(Channel, TellsHowFarARequestCame) {
  const Ticket first = send(1, typed("a")), second = send(2, typed("b"));
  kick();
  EXPECT_EQ(master().fate(first), Fate::untouched);
  EXPECT_FALSE(master().entered(first).has_value());
  const TimePoint before = std::chrono::steady_clock::now();
  const JobRequest request = next();
  EXPECT_TRUE(nothing_to_collect());
  EXPECT_EQ(master().fate(first), Fate::untouched) << "taken, but its code was not entered";
  ASSERT_TRUE(worker().entering().has_value());
  EXPECT_TRUE(nothing_to_collect());
  EXPECT_EQ(master().fate(first), Fate::entered);
  ASSERT_TRUE(master().entered(first).has_value());
  EXPECT_GE(*master().entered(first), before);
  EXPECT_EQ(master().fate(second), Fate::untouched);
  answer(request, echoed(request));
}

TEST_P(Channel, DeliversWhatWasAnsweredBeforeTheWorkerDied) {
  const Ticket first = send(1, typed("a"));
  kick();
  const JobRequest request = next();
  ASSERT_TRUE(worker().entering().has_value());
  answer(request, echoed(request));
  const Ticket second = send(2, typed("b")), third = send(3, typed("c"));
  kick();
  static_cast<void>(next());
  ASSERT_TRUE(worker().entering().has_value());
  ends_.responder.reset();
  ends_.worker_control.reset();
  const Completion done = collect();
  EXPECT_EQ(done.ticket, first);
  EXPECT_EQ(done.reply.outcome.result.text(), "a");
  EXPECT_TRUE(nothing_to_collect());
  EXPECT_EQ(master().fate(second), Fate::entered);
  EXPECT_EQ(master().fate(third), Fate::untouched);
}

TEST_P(Channel, EndsForAWorkerWhoseMasterWantsNoMoreAfterWhatWasSentBefore) {
  send(1, typed("last"));
  kick();
  master().close();
  const JobRequest request = next();
  EXPECT_EQ(args_of(request), "last");
  ASSERT_TRUE(worker().entering().has_value());
  answer(request, echoed(request));
  const Result<std::optional<JobRequest>> none = worker().next();
  ASSERT_TRUE(none.has_value());
  EXPECT_FALSE(none->has_value());
  EXPECT_EQ(collect().reply.outcome.result.text(), "last");
}

TEST_P(Channel, TellsACommandToEndOnlyIfItIsTheOneThatRuns) {
  const Ticket first = send(1, typed("a"));
  const Ticket second = send(2, typed("b"));
  kick();
  static_cast<void>(next());
  ASSERT_TRUE(worker().entering().has_value());
  const auto asked = [&] { return worker().terminate_asked().value_or(false); };
  EXPECT_FALSE(asked());
  ASSERT_TRUE(send_note(ends_.master_control.get(), {NoteTag::terminate, number(second)}, {}).has_value());
  EXPECT_FALSE(asked());
  ASSERT_TRUE(send_note(ends_.master_control.get(), {NoteTag::terminate, number(first)}, {}).has_value());
  EXPECT_TRUE(asked());
  ends_.master_control.reset();
  EXPECT_FALSE(worker().terminate_asked().has_value()) << "the master is gone";
}

TEST_P(Channel, SaysInTheReplyThatTheMasterAskedForTheEnd) {
  send(1, typed(""));
  kick();
  const JobRequest request = next();
  ASSERT_TRUE(worker().entering().has_value());
  ASSERT_TRUE(worker().answer({request.job, request.attempt, {}, true}).has_value());
  EXPECT_TRUE(collect().reply.terminated);
}

TEST_P(Channel, WakesAWorkerThatSleepsAndAMasterThatSleeps) {
  std::thread other([&] { EXPECT_TRUE(answer_all(worker(), echoed).has_value()); });
  // Each round trip finds the other side asleep, or about to be.
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    const Ticket ticket = send(i, typed("x"));
    kick();
    ASSERT_TRUE(ends_.wait(ticket).has_value());
  }
  master().close();
  other.join();
}

// The word of the shared channel; a pipe has the kernel's.
TEST(Kick, WakesASleeperOnceForManyRequests) {
  Result<ChannelEnds> ends = offer_channel(Transport::shm, {.depth = 16});
  ASSERT_TRUE(ends.has_value());
  ControlMessage message;
  ASSERT_TRUE(receive_control(ends->worker_control.get(), message, true).has_value());
  const Result<SharedRegion> channel = SharedRegion::open(std::move(message.files[0]), channel_bytes(16), Access::read_write);
  ASSERT_TRUE(channel.has_value());
  std::atomic<std::uint32_t>& sleeping = channel_header(channel->data()).sleeping;
  Requester& master = ends->jobs->bytes();
  sleeping = 1;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(master.send({.form = Form::call, .content = TextContent("x")}).has_value());
  EXPECT_EQ(sleeping, 1U) << "woken by a request that was only sent";
  EXPECT_TRUE(master.asleep());
  ASSERT_TRUE(master.kick().has_value());
  EXPECT_EQ(sleeping, 0U);
  EXPECT_FALSE(master.asleep());
}

}  // namespace
}  // namespace runner::ipc
