// Busy for a while: a job of a known length that takes a whole core.
#include <chrono>
#include <runner/job.hpp>

#include <string>
#include <type_traits>

#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct SpinArgs {
  Duration duration{};
  std::string payload;
  Bytes answer;
  template <class A>
  void serialize(A& a) {
    a(arg("duration", duration, "how long, by the clock on the wall").range(Duration{0}, std::chrono::days(365)),
      arg("payload", payload, "carried to the job and not looked at").or_default(std::string()),
      arg("answer", answer, "length of what is carried back").range({0}, {std::uint64_t{1} << 30}).or_default({0}));
  }
};
struct Spun {
  std::string payload;
  template <class A>
  void serialize(A& a) {
    if constexpr (std::is_same_v<A, JsonWriter>) {
      if (payload.empty()) return;  // `{}`: whoever asked for none sees none
    }
    a(CEREAL_NVP(payload));
  }
};

// Wall time, not CPU time: a core shared with others shows in what it gets done, not in when it ends.
Spun spin(const SpinArgs& args, JobContext& context) {
  const TimePoint end = std::chrono::steady_clock::now() + args.duration;
  while (std::chrono::steady_clock::now() < end) leave_when_stopped(context);
  return {std::string(args.answer.count, 'x')};
}

RUNNER_JOB("spin", spin, "Keeps a core busy for `duration`.")

}  // namespace
}  // namespace runner
