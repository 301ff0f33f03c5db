// Regions, channels and hellos whose Nth system call fails.
#include <gtest/gtest.h>

#include <string>

#include "ipc/shared_state.hpp"
#include "tests/channel_ends.hpp"
#include "tests/faults/each_call.hpp"

namespace runner::ipc {
namespace {

class IpcFails : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(With, IpcFails, testing::ValuesIn(kErrors),
                         [](const auto& with) { return std::string(::strerrorname_np(with.param)); });

TEST_P(IpcFails, MakingARegionForWritersOrReaders) {
  for (const Access others : {Access::read_write, Access::read_only}) {
    fail_each_call(GetParam(), [&] { return drop(SharedRegion::create("runner-test", 8192, others)); });
  }
}

TEST_P(IpcFails, SealingAndOpeningAPayload) {
  const std::string text(10'000, 'x');
  fail_each_call(GetParam(), [&]() -> Result<void> {
    Result<UniqueFd> sealed = seal_payload(TextContent(text), text.size());
    if (!sealed) return drop(sealed);
    const auto opened = open_payload(std::move(*sealed), text.size());
    if (opened) {
      EXPECT_EQ(std::memcmp((*opened)->data(), text.data(), text.size()), 0);
    }
    return drop(opened);
  });
}

TEST_P(IpcFails, MakingSendingAndReceivingSharedState) {
  const std::vector<SharedSpec> specs{
      {"file", SharedFile{"/proc/self/exe"}}, {"region", SharedBytes{{8192}}}, {"count", SharedCounter{7}}};
  fail_each_call(GetParam(), [&]() -> Result<void> {
    const Result<std::pair<UniqueFd, UniqueFd>> pair = control_pair();
    if (!pair) return drop(pair);
    const Result<SharedState> here = SharedState::create(specs);
    if (!here) return drop(here);
    if (Result<void> sent = send_shared(pair->first.get(), *here); !sent) return sent;
    const Result<SharedState> there = receive_shared(pair->second.get(), here->segments());
    if (there) {
      EXPECT_EQ(there->view().counter("count").load(), 7);
    }
    return drop(there);
  });
}

class FailsOver : public testing::TestWithParam<std::tuple<Transport, int>> {
 protected:
  [[nodiscard]] Transport transport() const { return std::get<0>(GetParam()); }
  [[nodiscard]] int error() const { return std::get<1>(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Over, FailsOver,
                         testing::Combine(testing::Values(Transport::shm, Transport::pipe), testing::ValuesIn(kErrors)),
                         [](const auto& with) {
                           return transport_name(std::get<0>(with.param)) + "_" + ::strerrorname_np(std::get<1>(with.param));
                         });

TEST_P(FailsOver, MakingAChannelWithTheHelloOfBothSides) {
  fail_each_call(error(), [&] { return drop(make_channel(transport())); });
}

TEST_P(FailsOver, AnsweringTheHello) {
  fail_each_call(error(), [&]() -> Result<void> {
    Result<ChannelEnds> ends = offer_channel(transport());
    if (!ends) return drop(ends);
    const Ready ready{RUNNER_VERSION_STRING, layout_hash(), ""};
    if (Result<void> sent = send_ready(ends->worker_control.get(), ready); !sent) return sent;
    ControlMessage message;
    const Result<Received> got = receive_control(ends->master_control.get(), message, true);
    if (!got) return drop(got);
    EXPECT_EQ(*got, Received::message);
    return drop(read_ready(message));
  });
}

// One job there and back, the reply with a file beside it.
Result<void> round_trip(ChannelEnds& ends, std::size_t bytes) {
  const std::string args(bytes, 'a');
  const Result<Ticket> ticket = ends.requester().send(JobId{1}, Attempt{1}, TypedWork{"kind", args});
  if (!ticket) return drop(ticket);
  if (Result<void> kicked = ends.requester().kick(); !kicked) return kicked;
  const Result<std::optional<JobRequest>> request = ends.worker().next();
  if (!request) return drop(request);
  EXPECT_TRUE(request->has_value());
  if (Result<void> entered = ends.worker().entering(); !entered) return entered;
  JobReply reply{(*request)->job, (*request)->attempt, {}, false};
  reply.outcome.result = args;
  reply.outcome.out.bytes = Captured::kCaptureInMemory + 1;
  Result<UniqueFd> file = seal_payload(TextContent("file"), 4);
  if (!file) return drop(file);
  reply.outcome.out.spill = std::move(*file);
  if (Result<void> answered = ends.worker().answer(std::move(reply)); !answered) return answered;
  Completion completion;
  const Result<bool> got = ends.requester().collect(completion);
  if (!got) return drop(got);
  EXPECT_TRUE(*got);
  if (const auto* lost = std::get_if<Failed>(&completion.reply.outcome.ending)) return fail(ErrorCode::system, lost->reason);
  EXPECT_TRUE(completion.reply.outcome.result.text() == args);
  EXPECT_TRUE(static_cast<bool>(completion.reply.outcome.out.spill));
  return {};
}

TEST_P(FailsOver, CarryingAJobThereAndBack) {
  // Inline, through the arena, and (over shm) in memfds of their own; what fits into a pipe, for there is one thread.
  for (const std::size_t bytes :
       {std::size_t{10}, std::size_t{10'000}, transport() == Transport::shm ? std::size_t{1} << 20 : 20'000}) {
    fail_each_call(error(), [&]() -> Result<void> {
      Result<ChannelEnds> ends = make_channel(transport());
      if (!ends) return drop(ends);
      return round_trip(*ends, bytes);
    });
  }
}

}  // namespace
}  // namespace runner::ipc
