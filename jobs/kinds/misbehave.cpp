// Every way in which a job can go wrong, on purpose: for tests, and to show what is left standing.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <runner/job.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "jobs/kinds/nothing.hpp"
#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct MisbehaveArgs {
  std::string how;
  Bytes limit;
  template <class A>
  void serialize(A& a) {
    a(arg("how", how, "what goes wrong").one_of({"segfault", "abort", "exit", "throw", "hang", "leak"}),
      arg("limit", limit, "how much memory a leak takes before it throws")
          .range({0}, {std::uint64_t{1} << 40})
          .or_default({std::uint64_t{1} << 30}));
  }
};

// A real access to memory that is not there, not a raised signal. The address is volatile and not null, so that neither the
// optimizer nor a sanitizer makes something else of it.
[[noreturn]] void segfault() {
  const volatile std::uintptr_t nowhere = 8;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): there is no object to point to, on purpose
  *reinterpret_cast<volatile int*>(nowhere) = 1;
  std::abort();
}

// Asleep, deaf to the stop token: only ending the process ends it.
[[noreturn]] void hang() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Every page is touched, because memory that is only reserved costs nobody anything. Given back when it throws.
[[noreturn]] void leak(std::uint64_t limit, const JobContext& context) {
  constexpr std::uint64_t piece = std::uint64_t{4} << 20;
  constexpr std::size_t page = 4096;
  std::vector<std::unique_ptr<std::byte[]>> held;
  for (std::uint64_t taken = 0; taken < limit; taken += piece) {
    leave_when_stopped(context);
    const std::uint64_t size = std::min(piece, limit - taken);
    volatile std::byte* bytes = held.emplace_back(new std::byte[size]).get();
    for (std::size_t at = 0; at < size; at += page) bytes[at] = std::byte{1};
  }
  throw std::runtime_error("leaked " + format_size({limit}) + " on purpose, as much as `limit` allows");
}

Nothing misbehave(const MisbehaveArgs& args, JobContext& context) {
  if (args.how == "segfault") segfault();
  if (args.how == "abort") std::abort();
  if (args.how == "exit") ::_exit(3);
  if (args.how == "hang") hang();
  if (args.how == "leak") leak(args.limit.count, context);
  throw std::runtime_error("thrown on purpose");
}

RUNNER_JOB("misbehave", misbehave, "Crashes, exits, throws, hangs or eats memory, to show what becomes of the others.")

}  // namespace
}  // namespace runner
