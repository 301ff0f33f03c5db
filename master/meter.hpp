// meter.hpp - what this process has used since it was made: processor time, switches, page faults.
//
// Called from  the thread that made it.
// Owns         the readings of its beginning.
// Fails with   nothing: what the kernel does not tell counts as zero.
#pragma once

#include <sys/resource.h>
#include <time.h>

#include <chrono>

#include <runner/units.hpp>
#include "master/costs.hpp"

namespace runner::master {

class Meter {
 public:
  // Of all threads of this process.
  [[nodiscard]] Duration cpu() const { return read(CLOCK_PROCESS_CPUTIME_ID) - cpu_; }
  // Of the calling thread.
  [[nodiscard]] Duration thread_cpu() const { return read(CLOCK_THREAD_CPUTIME_ID) - thread_cpu_; }
  [[nodiscard]] Usage usage() const {
    const Usage now = counted();
    return {now.voluntary_switches - usage_.voluntary_switches, now.involuntary_switches - usage_.involuntary_switches,
            now.minor_faults - usage_.minor_faults, now.major_faults - usage_.major_faults};
  }

 private:
  static Duration read(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
  static Usage counted() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto count = [](long counted) { return static_cast<std::uint64_t>(counted); };
    return {count(usage.ru_nvcsw), count(usage.ru_nivcsw), count(usage.ru_minflt), count(usage.ru_majflt)};
  }
  Duration cpu_ = read(CLOCK_PROCESS_CPUTIME_ID), thread_cpu_ = read(CLOCK_THREAD_CPUTIME_ID);
  Usage usage_ = counted();
};

}  // namespace runner::master
