// run_here.hpp - one attempt at a job, typed or command, run to its end on the calling thread of this process.
//
// Called from  a thread of an in-process engine, which must outlive the call (commands die with the thread that started them).
// Owns         nothing between calls.
// Fails with   never: the outcome says what went wrong.
#pragma once

#include <string>

#include <runner/kind.hpp>
#include <runner/outcome.hpp>
#include <runner/registry.hpp>
#include <runner/shared.hpp>
#include <runner/units.hpp>
#include "master/engine.hpp"
#include "master/engines/stop_switch.hpp"
#include "master/ledger.hpp"

namespace runner::master {

// What every job of a run finds around it, whichever thread it is on. Constant while the engine is open.
struct Surroundings {
  const Shared* shared = nullptr;  // what its context has; outlives the engine; null: nothing is shared
  Bytes max_result = kMaxResult;   // a larger result fails it
};

struct RanHere {
  Outcome outcome;
  bool stopped = false;  // it was asked to before it returned, so its ending is stopped_ending()
  TimePoint entered{};   // the job's own code
};

// `kind` is that of a typed job (null: nobody knows it), of no interest for a command.
[[nodiscard]] RanHere run_here(const Kind* kind, const JobSpec& job, Attempt attempt, const StopSwitch& stop,
                               const Surroundings& around);

// What an attempt that ran here leaves for the ledger: its bytes are in place already, and its outcome needs no way back.
[[nodiscard]] Stamps stamps_here(const JobSpec& job, TimePoint handed, TimePoint seen, const RanHere& ran, TimePoint answered,
                                 Ledger::Choice sample);

// TimedOut or Cancelled. `outcome`: how it ended when it was asked to. `how`: what it took, where that is known otherwise.
[[nodiscard]] Ending stopped_ending(const JobSpec& job, StopReason reason, const Outcome& outcome);
[[nodiscard]] Ending stopped_ending(const JobSpec& job, StopReason reason, std::string how);

[[nodiscard]] inline bool is_command(const JobSpec& job) { return std::holds_alternative<CommandWork>(job.work); }
// Null for a command, too.
[[nodiscard]] const Kind* kind_for(const JobSpec& job, const Registry& registry);
[[nodiscard]] Outcome unknown_kind(const JobSpec& job);

}  // namespace runner::master
