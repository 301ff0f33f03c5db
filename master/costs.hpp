// costs.hpp - what a run cost beside its jobs' own work, in two accounts that add up (docs/costs.md).
//
// Per attempt (latency): from ready to collected, in eight spans. Per worker (occupancy): from the begin of the start to the end
// of the stop, in eight uses; or, where their number changed meanwhile, from when it was wanted to when it had gone. The master's own
// work is in neither: it has its processor time.
//
// Called from  engines make them, through the ledger (ledger.hpp); scheduler and sinks pass them on and show them. Values.
// Owns         its numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <runner/units.hpp>
#include "master/histogram.hpp"

namespace runner::master {

// What an attempt's time went into, in this order, without a gap.
enum class Span : std::uint8_t {
  queue_wait,   // ready -> put into a slot, and behind other jobs there: all workers were busy
  serialize,    // arguments -> bytes in place
  transport,    // published -> all of it seen by a worker that was awake, or had woken
  wake_up,      // published -> a worker that slept for want of jobs is awake
  deserialize,  // bytes -> arguments
  execute,      // the job's own code
  answer,       // result -> bytes published
  collect,      // published -> the master has it
};
inline constexpr std::size_t kSpans = 8;
[[nodiscard]] std::string_view name_of(Span span);

class Spans {
 public:
  [[nodiscard]] Duration& operator[](Span span) { return spans_[static_cast<std::size_t>(span)]; }
  [[nodiscard]] Duration operator[](Span span) const { return spans_[static_cast<std::size_t>(span)]; }
  Spans& operator+=(const Spans& more) {
    for (std::size_t i = 0; i < kSpans; ++i) spans_[i] += more.spans_[i];
    return *this;
  }
  // ready -> collected
  [[nodiscard]] Duration latency() const;
  // What of that is communication: all but the wait for others and the work.
  [[nodiscard]] Duration communication() const { return latency() - (*this)[Span::queue_wait] - (*this)[Span::execute]; }

 private:
  std::array<Duration, kSpans> spans_{};
};

// Of one attempt.
struct AttemptCosts {
  Spans spans;
  TimePoint seen{};           // by its worker: where it lies on the timeline
  std::uint32_t sampled = 0;  // one in so many such attempts has all its stamps, and this is one of them; 0: it is none
  bool measured = false;      // false: nothing is known of it (it was never begun, or nobody measures)
};
inline constexpr AttemptCosts kNothingMeasured{};

// What a worker's time went into.
enum class Use : std::uint8_t {
  start,        // until it took requests, at first or in place of one that died
  waiting,      // awake, with a job on its way to it
  wake_up,      // the same, asleep when the job was published
  deserialize,  // as the spans of its attempts
  execute,
  answer,
  idle,  // no job was offered
  stop,  // the run was over, or this worker was not wanted any more and had nothing to do -> it had gone
};
inline constexpr std::size_t kUses = 8;
[[nodiscard]] std::string_view name_of(Use use);

class Account {
 public:
  [[nodiscard]] Duration& operator[](Use use) { return uses_[static_cast<std::size_t>(use)]; }
  [[nodiscard]] Duration operator[](Use use) const { return uses_[static_cast<std::size_t>(use)]; }
  Account& operator+=(const Account& more) {
    for (std::size_t i = 0; i < kUses; ++i) uses_[i] += more.uses_[i];
    absent += more.absent;
    return *this;
  }
  [[nodiscard]] Duration total() const;

  Duration absent{};  // of the run's wall time, no use of it: there was no such worker, yet or any more

 private:
  std::array<Duration, kUses> uses_{};
};

// What the kernel counts of processes.
struct Usage {
  std::uint64_t voluntary_switches = 0, involuntary_switches = 0, minor_faults = 0, major_faults = 0;
  Usage& operator+=(const Usage& more) {
    voluntary_switches += more.voluntary_switches;
    involuntary_switches += more.involuntary_switches;
    minor_faults += more.minor_faults;
    major_faults += more.major_faults;
    return *this;
  }
};

struct Costs {
  Duration wall{};               // begin of the start -> end of the stop
  std::vector<Account> workers;  // by worker, of all that there ever were
  Spans attempts;                // summed over all attempts that were begun
  std::uint64_t measured = 0;    // how many those are
  std::uint32_t sampled = 1;     // one in so many has exact serialize and queue_wait; the sums are scaled from those
  std::array<Histogram, kSpans> distribution;        // of those
  Duration tail{};                                   // of idle: nothing was left for this worker, while others still ran
  Duration start{};                                  // the first worker was asked for -> all were ready (wall)
  Duration master_cpu{};                             // processor time of the master itself
  std::uint64_t bytes_sent = 0, bytes_received = 0;  // requests and replies
  std::uint64_t wake_ups = 0;                        // attempts whose worker slept
  Usage usage;                                       // of the workers; in one process: of all of it
  Bytes workers_peak{};                              // the most resident memory that each of them had, summed
  std::uint64_t workers_lost = 0;
  bool kept = false;  // false: nobody measured

  // The time that workers were there, summed.
  [[nodiscard]] Duration worker_seconds() const;
  // How many were there, on average over the wall time.
  [[nodiscard]] double workers_at_a_time() const;
  [[nodiscard]] Account all_workers() const;
  // What no use explains; negative where uses overlap.
  [[nodiscard]] Duration unaccounted() const { return worker_seconds() - all_workers().total(); }
};

}  // namespace runner::master
