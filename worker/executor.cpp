#include "worker/executor.hpp"

#include <time.h>

#include <chrono>
#include <exception>
#include <string>

namespace runner::worker {

namespace {

Duration thread_cpu() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Outcome execute(const Kind& kind, std::span<const std::byte> args, JobContext& context) {
  Outcome outcome;
  const Duration cpu = thread_cpu();
  const TimePoint began = std::chrono::steady_clock::now();
  try {
    outcome.result = kind.call(args, context);
  } catch (const std::exception& error) {
    outcome.ending = Failed{error.what()};
  } catch (...) {
    outcome.ending = Failed{"it threw something that is no std::exception"};
  }
  outcome.wall = std::chrono::steady_clock::now() - began;
  outcome.cpu = thread_cpu() - cpu;
  return outcome;
}

}  // namespace runner::worker
