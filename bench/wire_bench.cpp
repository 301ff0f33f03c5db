// What it costs to make bytes of values and values of bytes: no process, no memory that is shared.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <runner/arg.hpp>
#include <runner/wire.hpp>
#include <string>
#include <vector>

#include "ipc/message.hpp"

namespace runner {
namespace {

// The shapes of arguments: nothing, one number as `primes` has, and a bit of everything.
struct Nothing {
  template <class A>
  void serialize(A&) {}
};
struct Limit {
  std::uint64_t limit = 50'000'000;
  template <class A>
  void serialize(A& a) {
    a(arg("limit", limit, "a number"));
  }
};
struct Mixed {
  std::string file = "out/mandelbrot-17.png";
  double x = -0.743, y = 0.131, scale = 0.002;
  std::uint32_t width = 800, height = 600;
  std::vector<double> weights = std::vector<double>(16, 0.5);
  template <class A>
  void serialize(A& a) {
    a(arg("file", file, "a path"), arg("x", x, ""), arg("y", y, ""), arg("scale", scale, ""), arg("width", width, ""),
      arg("height", height, ""), arg("weights", weights, "a few numbers"));
  }
};

template <class T>
void encode(benchmark::State& state) {
  const T value;
  std::array<std::byte, 512> bytes;
  for (auto _ : state) {
    WireWriter writer(bytes);
    writer(value);
    benchmark::DoNotOptimize(bytes.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(encode<Nothing>);
BENCHMARK(encode<Limit>);
BENCHMARK(encode<Mixed>);

template <class T>
void decode(benchmark::State& state) {
  const std::string wire = to_wire(T{});
  for (auto _ : state) {
    T value = from_wire<T>(as_bytes(wire));
    benchmark::DoNotOptimize(value);
  }
}
BENCHMARK(decode<Nothing>);
BENCHMARK(decode<Limit>);
BENCHMARK(decode<Mixed>);

// A request as it lies in a slot, there and back.
template <class T>
void request(benchmark::State& state) {
  const Work work = TypedWork{"primes", to_wire(T{})};
  std::array<std::byte, 512> bytes;
  for (auto _ : state) {
    WireWriter writer(bytes);
    ipc::write_request(writer, JobId{7}, Attempt{1}, work);
    Result<ipc::JobRequest> read = ipc::read_request(std::span(bytes).first(writer.size()));
    if (!read || read->job != JobId{7}) return state.SkipWithError("the request came back as another one");
    benchmark::DoNotOptimize(read);
  }
}
BENCHMARK(request<Nothing>);
BENCHMARK(request<Limit>);

void reply(benchmark::State& state) {
  ipc::JobReply said{.job = JobId{7}, .attempt = Attempt{1}, .outcome = {}, .terminated = false};
  said.outcome.result = to_wire(Limit{});
  std::array<std::byte, 512> bytes;
  for (auto _ : state) {
    WireWriter writer(bytes);
    ipc::write_reply(writer, said);
    Result<ipc::JobReply> read = ipc::read_reply(std::span(bytes).first(writer.size()), 0);
    if (!read || read->outcome.result != said.outcome.result) return state.SkipWithError("the reply came back as another one");
    benchmark::DoNotOptimize(read);
  }
}
BENCHMARK(reply);

}  // namespace
}  // namespace runner
