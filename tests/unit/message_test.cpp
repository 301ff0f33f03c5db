// Requests and replies as bytes: every field arrives, and no bytes of a peer are believed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <runner/wire.hpp>
#include <string>
#include <vector>

#include "ipc/message.hpp"

namespace runner::ipc {
namespace {

using testing::HasSubstr;

std::string request_wire(const Work& work) {
  WireWriter sizing({});
  write_request(sizing, JobId{5}, Attempt{2}, work);
  std::string wire(sizing.size(), '\0');
  WireWriter out(std::as_writable_bytes(std::span(wire)));
  write_request(out, JobId{5}, Attempt{2}, work);
  return wire;
}
std::string reply_wire(const JobReply& reply) {
  WireWriter sizing({});
  write_reply(sizing, reply);
  std::string wire(sizing.size(), '\0');
  WireWriter out(std::as_writable_bytes(std::span(wire)));
  write_reply(out, reply);
  return wire;
}
std::string refusal(const std::string& wire, std::uint32_t files = 0) {
  const Result<JobReply> reply = read_reply(as_bytes(wire), files);
  if (reply) return "it was accepted";
  EXPECT_EQ(reply.error().code, ErrorCode::protocol);
  return reply.error().text;
}
JobReply reply_of(const std::function<void(Outcome&)>& change) {
  JobReply reply{JobId{5}, Attempt{2}, {}, false};
  change(reply.outcome);
  return reply;
}

const CommandWork kCommand{{"a", "b"}, "in", "/", {{"K", "V"}}};

TEST(Request, OfEitherKindComesBack) {
  const std::string typed = request_wire(TypedWork{"primes", "ARGS"});
  const Result<JobRequest> one = read_request(as_bytes(typed));
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->job, JobId{5});
  EXPECT_EQ(one->attempt, Attempt{2});
  EXPECT_EQ(std::get<TypedView>(one->work).kind, "primes");
  EXPECT_EQ(std::get<TypedView>(one->work).args.size(), 4U);

  EXPECT_EQ(std::get<TypedView>(one->work).cpus, 1U);

  const std::string wide = request_wire(TypedWork{"primes", "ARGS", {}, 3});
  const Result<JobRequest> wider = read_request(as_bytes(wide));
  ASSERT_TRUE(wider.has_value());
  EXPECT_EQ(std::get<TypedView>(wider->work).cpus, 3U);
  EXPECT_EQ(std::get<TypedView>(wider->work).args.size(), 4U);
  EXPECT_FALSE(read_request(as_bytes(request_wire(TypedWork{"primes", "ARGS", {}, 0}))).has_value());

  const std::string command = request_wire(kCommand);
  const Result<JobRequest> other = read_request(as_bytes(command));
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(std::get<CommandWork>(other->work).argv, kCommand.argv);
  EXPECT_EQ(std::get<CommandWork>(other->work).env, kCommand.env);
}

TEST(Request, CutOffAtAnyByteIsRefusedOrHasShorterArguments) {
  const std::string typed = request_wire(TypedWork{"primes", "ARGS"}), command = request_wire(kCommand);
  for (std::size_t length = 0; length < command.size(); ++length) {
    const std::string cut = command.substr(0, length);
    const Result<JobRequest> request = read_request(as_bytes(cut));
    ASSERT_FALSE(request.has_value());
    EXPECT_EQ(request.error().code, ErrorCode::protocol);
  }
  for (std::size_t length = 0; length < typed.size() - 4; ++length) {
    const std::string cut = typed.substr(0, length);
    EXPECT_FALSE(read_request(as_bytes(cut)).has_value());
  }
  const std::string longer = command + "x";
  EXPECT_FALSE(read_request(as_bytes(longer)).has_value());
  std::string other_tag = typed;
  other_tag[12] = 9;
  EXPECT_FALSE(read_request(as_bytes(other_tag)).has_value());
}

TEST(Reply, CutOffAtAnyByteIsRefused) {
  const std::string wire = reply_wire(reply_of([](Outcome& outcome) {
    outcome.ending = Failed{"exit status 9"};
    outcome.exit_code = 9;
    outcome.out.text = "out";
    outcome.out.bytes = 3;
  }));
  ASSERT_TRUE(read_reply(as_bytes(wire), 0).has_value());
  for (std::size_t length = 0; length < wire.size(); ++length)
    EXPECT_THAT(refusal(wire.substr(0, length)), HasSubstr("cannot be read"));
}

TEST(Reply, WithAnUnknownEndingFlagOrFileIsRefused) {
  std::string wire = reply_wire(reply_of([](Outcome&) {}));
  ASSERT_EQ(wire.size(), 8U + 4 + 1 + 8 + 8 + 8 + 4) << "the offsets below";
  for (const int index : {6, 7, -1, 1 << 30}) {
    std::string other = wire;
    std::memcpy(other.data() + 37, &index, sizeof index);
    EXPECT_THAT(refusal(other), HasSubstr("cannot be read")) << index;
  }
  std::string flags = wire;
  flags[12] = static_cast<char>(0x80);
  EXPECT_THAT(refusal(flags), HasSubstr("unknown flags"));
  EXPECT_THAT(refusal(wire, 4), HasSubstr("unknown files"));
  EXPECT_THAT(refusal(wire, ~0U), HasSubstr("unknown files"));
}

TEST(Reply, WithAnImpossibleValueIsRefused) {
  EXPECT_THAT(refusal(reply_wire(reply_of([](Outcome& o) { o.wall = Duration(-1); }))), HasSubstr("negative duration"));
  EXPECT_THAT(refusal(reply_wire(reply_of([](Outcome& o) { o.cpu = Duration::min(); }))), HasSubstr("negative duration"));
  for (const auto change :
       {+[](JobReply& reply) { reply.deserialize = Duration(-1); }, +[](JobReply& reply) { reply.arriving = Duration(-1); },
        +[](JobReply& reply) { reply.free = Duration::min(); }}) {
    JobReply reply = reply_of([](Outcome&) {});
    change(reply);
    EXPECT_THAT(refusal(reply_wire(reply)), HasSubstr("negative duration"));
  }
  EXPECT_THAT(refusal(reply_wire(reply_of([](Outcome& o) { o.exit_code = 256; }))), HasSubstr("exit status"));
  EXPECT_THAT(refusal(reply_wire(reply_of([](Outcome& o) { o.exit_code = -1; }))), HasSubstr("exit status"));
  EXPECT_THAT(refusal(reply_wire(reply_of([](Outcome& o) { o.ending = Crashed{-1, ""}; }))), HasSubstr("signal number"));
  EXPECT_THAT(refusal(reply_wire(reply_of([](Outcome& o) { o.ending = Crashed{1000, ""}; }))), HasSubstr("signal number"));
  EXPECT_THAT(refusal(reply_wire(reply_of([](Outcome& o) { o.ending = TimedOut{Duration(-1), {}}; }))),
              HasSubstr("time limit"));
}

TEST(Reply, WhoseOutputIsOfAnotherSizeThanAnnouncedIsRefused) {
  const auto with = [](std::uint64_t bytes, std::size_t text) {
    return reply_wire(reply_of([&](Outcome& outcome) {
      outcome.out.bytes = bytes;
      outcome.out.text = std::string(text, 'x');
    }));
  };
  EXPECT_EQ(refusal(with(3, 3)), "it was accepted");
  EXPECT_THAT(refusal(with(4, 3)), HasSubstr("another size"));
  EXPECT_THAT(refusal(with(2, 3)), HasSubstr("another size"));
  constexpr std::uint64_t large = Captured::kCaptureInMemory + 1;
  EXPECT_EQ(refusal(with(large, 100), kOutSpilled), "it was accepted");
  EXPECT_THAT(refusal(with(large, 100)), HasSubstr("another size"));
  EXPECT_THAT(refusal(with(large - 1, 100), kOutSpilled), HasSubstr("impossible size"));
  EXPECT_THAT(refusal(with(large, Captured::kCaptureTail + 1), kOutSpilled), HasSubstr("impossible size"));
  EXPECT_THAT(refusal(with(large, 100), kOutSpilled | kErrSpilled), HasSubstr("impossible size"));
}

TEST(Reply, SaysHowManyFilesBelongToIt) {
  EXPECT_EQ(file_count(0), 0U);
  EXPECT_EQ(file_count(kOutSpilled), 1U);
  EXPECT_EQ(file_count(kErrSpilled), 1U);
  EXPECT_EQ(file_count(kOutSpilled | kErrSpilled), 2U);
}

}  // namespace
}  // namespace runner::ipc
