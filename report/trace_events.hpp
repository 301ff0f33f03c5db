// trace_events.hpp - one attempt as events of the Chrome Trace Event format: what lies where on which lane.
//
// On its worker's lane an attempt is one event from "its worker was free for it" to "answered", in which wake_up, transport,
// deserialize, execute and answer lie one after the other. Its serialize and collect are the master's, and from and to those go arrows. Where
// it waited behind others nothing is drawn: its worker was in these.
//
// Called from  any thread. Reads no clock.
// Owns         nothing; values.
// Fails with   cannot fail.
// Format       "Trace Event Format" of the Chromium project; ts and dur are microseconds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <runner/ids.hpp>
#include <runner/units.hpp>
#include "master/costs.hpp"

namespace runner::report {

enum class Lane : std::uint32_t {};  // `tid`
inline constexpr Lane kMasterLane{0};
[[nodiscard]] constexpr Lane lane_of(WorkerId worker) { return Lane{number(worker) + 1}; }

enum class Phase : char { complete = 'X', instant = 'i', counter = 'C', flow_begin = 's', flow_end = 'f', metadata = 'M' };

struct TraceEvent {
  Phase phase{};
  Lane lane{};
  std::string_view category{};
  std::string_view name{};
  Duration at{};           // since the run began
  Duration length{};       // complete events
  std::uint64_t flow = 0;  // the same at both of its ends
  std::string args{};      // a JSON object; empty: none
};

struct TracedAttempt {
  JobId job{};
  std::string name;
  Attempt attempt{1};
  WorkerId worker{};
  std::string_view status;  // status_word(): lives as long as the program
  master::AttemptCosts costs;
  Duration told{};       // since the run began: when the sinks heard of it
  bool retried = false;  // another attempt follows
};

// Where the spans of a measured attempt lie, since the run began.
struct Placed {
  Duration serialize, serialized;  // then it waited for others
  Duration begin, seen, entered, left, answered, collected;
};
[[nodiscard]] Placed place(const master::AttemptCosts& costs, TimePoint began);

// What the master did for an attempt.
struct MasterSlice {
  Duration begin, end;
  std::uint64_t attempt;  // which one, of those in the trace
  bool collects;          // else serializes
};
// The master waits for several answers at a time, but events of one lane must nest. So what would overlap another in part begins
// when that ends; what is wholly in another stays there, but begins 1 ns after it: the arrow at the begin of a slice is bound to the innermost
// one there, which must be itself. Afterwards they are in the order of their begin, the outer before the inner.
void nest(std::vector<MasterSlice>& slices);

// An attempt that nobody measured is an instant on the master's lane. `id` is that of MasterSlice::attempt; arrows are drawn for what
// slices_of() gives.
[[nodiscard]] std::vector<TraceEvent> events_of(const TracedAttempt& attempt, std::uint64_t id, TimePoint began);
// Of an attempt that has all its stamps, and what takes no time is left out.
void slices_of(const TracedAttempt& attempt, std::uint64_t id, TimePoint began, std::vector<MasterSlice>& slices);
[[nodiscard]] std::vector<TraceEvent> events_of(const MasterSlice& slice, const TracedAttempt& attempt);

// The event as a JSON object.
void append_event(std::string& out, const TraceEvent& event);

// What a program that is dying can still say: as the functions above, but without arrows and marks, and without allocating anything as long as
// `out` has room for 4 kB more. Names are at most 200 bytes.
void append_outline(std::string& out, const TracedAttempt& attempt, TimePoint began);
// The name of a lane, and its place among the others.
void append_lane(std::string& out, Lane lane);
// The values of a counter at one moment; of one that counts jobs, in thousandths.
struct CounterValue {
  std::string_view name;
  std::uint64_t thousandths;
};
void append_counter(std::string& out, std::string_view name, Duration at, std::span<const CounterValue> values);

}  // namespace runner::report
