// Busy for a while: a job of a known length that takes a whole core.
#include <chrono>
#include <runner/job.hpp>

#include "jobs/kinds/nothing.hpp"
#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct SpinArgs {
  Duration duration{};
  template <class A>
  void serialize(A& a) {
    a(arg("duration", duration, "how long, by the clock on the wall").range(Duration{0}, std::chrono::days(365)));
  }
};

// Wall time, not CPU time: a core shared with others shows in what it gets done, not in when it ends.
Nothing spin(const SpinArgs& args, JobContext& context) {
  const TimePoint end = std::chrono::steady_clock::now() + args.duration;
  while (std::chrono::steady_clock::now() < end) leave_when_stopped(context);
  return {};
}

RUNNER_JOB("spin", spin, "Keeps a core busy for `duration`.")

}  // namespace
}  // namespace runner
