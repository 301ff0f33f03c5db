#include "worker/executor.hpp"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace runner::worker {

namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

constexpr Duration kShortJob = microseconds(20);
constexpr Duration kShortGap = microseconds(10);
constexpr Duration kTrusted = std::chrono::milliseconds(1);

Duration thread_cpu() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// The processor clock of this thread as far as it is known (the header says how).
class CpuClock {
 public:
  // Answers when the job's code is entered: after the reading, if there was one.
  TimePoint enter() {
    TimePoint now = steady_clock::now();
    const Duration gap = now - known_at_;
    if (gap < kShortGap && now - read_at_ < kTrusted) {
      cpu_ += gap;
    } else {
      cpu_ = thread_cpu();
      now = read_at_ = steady_clock::now();
    }
    known_at_ = now;
    return now;
  }
  // Answers the processor time since enter().
  Duration leave(TimePoint now) {
    Duration spent = now - known_at_;
    if (spent < kShortJob) {
      cpu_ += spent;
    } else {
      const Duration cpu = thread_cpu();
      spent = std::clamp(cpu - cpu_, Duration::zero(), spent);
      cpu_ = cpu;
      read_at_ = now;
    }
    known_at_ = now;
    return spent;
  }

 private:
  Duration cpu_{};
  TimePoint known_at_{}, read_at_{};
};

thread_local CpuClock cpu_clock;

}  // namespace

namespace {

// When the job's own code was entered and left, and what it used.
class Bounds final : public CodeBounds {
 public:
  void entered() override { began_ = clock_.enter(); }
  void left() override {
    if (ended_ != TimePoint{}) return;
    ended_ = steady_clock::now();
    if (began_ == TimePoint{}) began_ = ended_;
    if (began_ != ended_) cpu_ = clock_.leave(ended_);
  }
  [[nodiscard]] TimePoint began() const { return began_; }
  [[nodiscard]] Duration wall() const { return ended_ - began_; }
  [[nodiscard]] Duration cpu() const { return cpu_; }

 private:
  CpuClock& clock_ = cpu_clock;
  TimePoint began_{}, ended_{};
  Duration cpu_{};
};

// A reason travels beside the result, where there is room for so much and more (ipc/message.hpp), and is read by people.
Failed for_people(std::string reason) {
  constexpr std::size_t longest = std::size_t{64} << 10;
  if (reason.size() <= longest) return {std::move(reason)};
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0U) == 0x80U) --end;  // not in the middle of a character
  reason.resize(end);
  return {reason + "..."};
}

}  // namespace

Failed failure_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    return for_people(error.what() != nullptr ? error.what() : "it threw an exception that says nothing");
  } catch (...) {
    return {"it threw something that is no std::exception"};
  }
}

void limit_result(Outcome& outcome, std::uint64_t max_result) {
  if (outcome.result.size() <= max_result) return;
  outcome.ending = Failed{result_too_large(Bytes{outcome.result.size()}, Bytes{max_result})};
  outcome.result = {};
}

Executed execute(const Kind& kind, std::span<const std::byte> args, JobContext& context, std::uint64_t max_result) {
  Executed executed;
  Outcome& outcome = executed.outcome;
  Bounds bounds;
  context.tell(&bounds);
  try {
    outcome.result = kind.call(args, context);
  } catch (...) {
    outcome.ending = failure_of(std::current_exception());
  }
  context.tell(nullptr);
  bounds.left();  // where it threw
  executed.entered = bounds.began();
  outcome.wall = bounds.wall();
  outcome.cpu = bounds.cpu();
  limit_result(outcome, max_result);
  return executed;
}

std::optional<Failed> execute(Trampoline trampoline, CallItems& call) {
  try {
    trampoline(call);
    return std::nullopt;
  } catch (...) {
    return failure_of(std::current_exception());
  }
}

}  // namespace runner::worker
