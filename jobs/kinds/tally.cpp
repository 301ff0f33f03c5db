// Adds to a shared counter one by one: rightly, or with the race that everybody writes once.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <runner/job.hpp>
#include <string>

#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct TallyArgs {
  std::string counter;
  std::uint64_t times{};
  bool atomic{};
  template <class A>
  void serialize(A& a) {
    a(arg("counter", counter, "the shared counter to add to"),
      arg("times", times, "how often 1 is added").range(0, 1'000'000'000'000).or_default(1000),
      arg("atomic", atomic, "false: read, add and write back in three steps, so that additions of others get lost")
          .or_default(true));
  }
};
struct Tally {
  std::uint64_t added{};
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(added));
  }
};

// The lost update. Each step alone is atomic, so this is no undefined behaviour; that it is three steps is the mistake.
void add_in_steps(SharedCount& counter) {
  const std::int64_t seen = counter.load(std::memory_order_relaxed);
  const auto more = static_cast<std::int64_t>(static_cast<std::uint64_t>(seen) + 1);  // wraps, as fetch_add does
  counter.store(more, std::memory_order_relaxed);
}

Tally tally(const TallyArgs& args, JobContext& context) {
  constexpr std::uint64_t piece = std::uint64_t{1} << 16;  // additions between two looks at the stop token
  SharedCount& counter = context.shared().counter(args.counter);
  Tally result;
  while (result.added < args.times) {
    leave_when_stopped(context);
    const std::uint64_t last = std::min(args.times, result.added + piece);
    for (; result.added < last; ++result.added) {
      // relaxed: the number is all there is, it announces no other memory.
      if (args.atomic) {
        counter.fetch_add(1, std::memory_order_relaxed);
      } else {
        add_in_steps(counter);
      }
    }
  }
  return result;
}

RUNNER_JOB("tally", tally, "Adds 1 to a shared counter, `times` times.")

}  // namespace
}  // namespace runner
