// Kinds that use what a batch shares as a user's would, and one that dies with it in hand.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <runner/job.hpp>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

struct MarkArgs {
  std::string shared;
  std::uint64_t at{};
  std::optional<std::uint64_t> wait_for;
  template <class A>
  void serialize(A& a) {
    a(runner::arg("shared", shared, "the region to write"), runner::arg("at", at, "the byte that becomes 1"),
      runner::arg("wait_for", wait_for, "the byte of another job, which is waited for"));
  }
};
struct Mark {
  bool met{};
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(met));
  }
};

// Writes its byte and waits until the other one is written: two of them end only when they run at the same time.
Mark mark(const MarkArgs& args, runner::JobContext& context) {
  const std::span<std::byte> region = context.shared().writable(args.shared);
  std::atomic_ref(region[args.at]).store(std::byte{1}, std::memory_order_release);
  if (!args.wait_for) return {false};
  const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::atomic_ref(region[*args.wait_for]).load(std::memory_order_acquire) != std::byte{1}) {
    if (std::chrono::steady_clock::now() > limit) throw std::runtime_error("nobody came");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return {true};
}

struct TallyAndCrashArgs {
  std::string counter;
  std::int64_t times{};
  template <class A>
  void serialize(A& a) {
    a(runner::arg("counter", counter, "the counter to add to"),
      runner::arg("times", times, "how much is added before the end"));
  }
};
Mark tally_and_crash(const TallyAndCrashArgs& args, runner::JobContext& context) {
  context.shared().counter(args.counter).fetch_add(args.times);
  std::abort();
}

struct VisitArgs {
  std::string counter;
  std::optional<std::int64_t> until;
  template <class A>
  void serialize(A& a) {
    a(runner::arg("counter", counter, "the counter to add 1 to"),
      runner::arg("until", until, "what it then waits for it to be"));
  }
};
struct Visit {
  std::int64_t seen{};  // with its own addition
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(seen));
  }
};

// Short; or as long as it takes until enough others have been here.
Visit visit(const VisitArgs& args, runner::JobContext& context) {
  runner::SharedCount& counter = context.shared().counter(args.counter);
  std::int64_t seen = counter.fetch_add(1) + 1;
  for (; args.until && seen < *args.until; seen = counter.load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return {seen};
}

}  // namespace

RUNNER_JOB("visit", visit, "Adds 1 to a shared counter, and may wait for others to do so.")
RUNNER_JOB("mark", mark, "Writes one byte of a shared region and waits for another.")
RUNNER_JOB("tally_and_crash", tally_and_crash, "Adds to a shared counter and crashes.")
