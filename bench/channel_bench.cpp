// What a connection costs without scheduler, engine or job: requester and responder on two threads, over either transport.
// Between two processes it is the same memory and the same pipe.
#include <benchmark/benchmark.h>
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <runner/wire.hpp>
#include <string>
#include <thread>

#include "tests/channel_ends.hpp"

namespace runner::ipc {
namespace {

// A responder that answers with the bytes it was asked with, until the requester closes.
class Echo {
 public:
  explicit Echo(ChannelEnds& ends) : ends_(ends), thread_([this] { well_ = live(); }) {}
  ~Echo() { end(); }
  bool end() {
    if (thread_.joinable()) {
      ends_.requester().close();
      thread_.join();
    }
    return well_;
  }

 private:
  bool live() {
    const Result<void> lived = answer_all(ends_.worker(), [](const JobRequest& request) {
      Outcome outcome;
      const auto args = std::get<TypedView>(request.work).args;
      outcome.result.assign(reinterpret_cast<const char*>(args.data()), args.size());
      return outcome;
    });
    return lived.has_value();
  }

  ChannelEnds& ends_;
  bool well_ = false;
  std::thread thread_;
};

std::optional<std::string> send(ChannelEnds& ends, std::uint64_t job, const Work& work) {
  const Result<Ticket> sent = ends.requester().send(JobId{job}, Attempt{1}, work);
  return sent ? std::nullopt : std::optional(sent.error().text);
}

// One request at a time: both sides sleep in between. The argument is the size of the payload in bytes.
void round_trip(benchmark::State& state, Transport transport) {
  ::signal(SIGPIPE, SIG_IGN);
  Result<ChannelEnds> ends = make_channel(transport);
  if (!ends) return state.SkipWithError(ends.error().text.c_str());
  const Work work = TypedWork{"echo", std::string(static_cast<std::size_t>(state.range(0)), 'x')};
  Echo echo(*ends);
  std::uint64_t job = 0;
  for (auto _ : state) {
    if (const auto trouble = send(*ends, job, work)) return state.SkipWithError(trouble->c_str());
    static_cast<void>(ends->requester().kick());
    const Result<Completion> back = ends->wait(Ticket{job});
    if (!back || back->reply.outcome.result.size() != std::get<TypedWork>(work).args.size()) {
      return state.SkipWithError("another answer came back than was asked for");
    }
    ++job;
  }
  if (!echo.end()) state.SkipWithError("the responder gave up");
}
BENCHMARK_CAPTURE(round_trip, shm, Transport::shm)->Arg(8)->Arg(4 << 10)->Arg(1 << 20)->UseRealTime();
BENCHMARK_CAPTURE(round_trip, pipe, Transport::pipe)->Arg(8)->Arg(4 << 10)->Arg(1 << 20)->UseRealTime();

// As many as the channel takes in flight, one wake-up per refill: what a stream of short jobs costs each.
void streaming(benchmark::State& state, Transport transport) {
  ::signal(SIGPIPE, SIG_IGN);
  Result<ChannelEnds> ends = make_channel(transport);
  if (!ends) return state.SkipWithError(ends.error().text.c_str());
  constexpr std::uint64_t in_flight = 256;
  const Work work = TypedWork{"echo", std::string(8, 'x')};
  Echo echo(*ends);
  std::uint64_t sent = 0, done = 0;
  for (auto _ : state) {
    while (sent - done < in_flight && !ends->requester().full()) {
      if (const auto trouble = send(*ends, sent, work)) return state.SkipWithError(trouble->c_str());
      ++sent;
    }
    static_cast<void>(ends->requester().kick());
    // Half of what is outstanding, then refill.
    const Result<Completion> back = ends->wait(Ticket{done + (sent - done) / 2});
    if (!back) return state.SkipWithError(back.error().text.c_str());
    ++done;
    Completion more;
    for (Result<bool> got = true;;) {
      got = ends->requester().collect(more);
      if (!got) return state.SkipWithError(got.error().text.c_str());
      if (!*got) break;
      ++done;
    }
  }
  while (done < sent) {
    if (!ends->wait(Ticket{done})) return state.SkipWithError("requests were left unanswered");
    ++done;
  }
  if (!echo.end()) state.SkipWithError("the responder gave up");
  state.counters["jobs"] = benchmark::Counter(static_cast<double>(done), benchmark::Counter::kIsRate);
  state.counters["per_job"] =
      benchmark::Counter(static_cast<double>(done), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(streaming, shm, Transport::shm)->UseRealTime();
BENCHMARK_CAPTURE(streaming, pipe, Transport::pipe)->UseRealTime();

}  // namespace
}  // namespace runner::ipc
