// Kinds that cost something on purpose, each in one place, so that it can be seen where the ledger puts it.
#include <chrono>
#include <runner/job.hpp>
#include <runner/wire.hpp>
#include <string>
#include <thread>
#include <type_traits>

namespace {

template <class Archive, class Slow>
void linger_in(Archive&, std::uint64_t ms) {
  if constexpr (std::is_same_v<Archive, Slow>) std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

struct Args {
  std::uint64_t i = 0, encode_ms = 0, decode_ms = 0, work_ms = 0, answer_ms = 0;
  template <class A>
  void serialize(A& a) {
    a(runner::arg("i", i, "tells jobs apart").or_default(std::uint64_t{0}),
      runner::arg("encode_ms", encode_ms, "to write arguments").or_default(std::uint64_t{0}),
      runner::arg("decode_ms", decode_ms, "to read them").or_default(std::uint64_t{0}),
      runner::arg("work_ms", work_ms, "to work").or_default(std::uint64_t{0}),
      runner::arg("answer_ms", answer_ms, "to write the result").or_default(std::uint64_t{0}));
    linger_in<A, runner::WireWriter>(a, encode_ms);
    linger_in<A, runner::WireReader>(a, decode_ms);
  }
};

struct Result {
  std::uint64_t answer_ms = 0;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(answer_ms));
    linger_in<A, runner::WireWriter>(a, answer_ms);
  }
};

Result cost(const Args& args, runner::JobContext&) {
  std::this_thread::sleep_for(std::chrono::milliseconds(args.work_ms));
  return {args.answer_ms};
}

struct Text {
  std::string text;
  template <class A>
  void serialize(A& a) {
    a(runner::arg("text", text, "of any length"));
  }
};
struct Length {
  std::uint64_t length = 0;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(length));
  }
};
Length measure(const Text& text, runner::JobContext&) { return {text.text.size()}; }

}  // namespace

RUNNER_JOB("cost", cost, "Takes its time where it is told to.")
RUNNER_JOB("measure", measure, "Measures a text.")
