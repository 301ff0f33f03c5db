// run.hpp - the loop that drives one batch through one engine and tells the sinks.
//
//   source -> scheduler -> engine -> scheduler -> sinks
//
// Called from  the main thread.
// Owns         nothing beyond the call; engine and sinks are the caller's.
// Fails with   usage or system when the engine cannot open (nothing has run); afterwards every trouble is part of the answer:
//              what was accepted by the sinks is safe.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include <runner/batch.hpp>
#include <runner/result.hpp>
#include <runner/shared.hpp>
#include "master/cgroups.hpp"
#include "master/ended_before.hpp"
#include "master/engine.hpp"
#include "master/guardian.hpp"
#include "master/halt_rule.hpp"
#include "master/interrupts.hpp"
#include "master/sink.hpp"

namespace runner::master {

struct RunAnswer {
  RunTotals totals;
  std::optional<Error> trouble;  // why the run stopped early: a sink, the source, or the engine gave up
  // What the halt rule has ended is no failure: that was asked for. So many successes were all that was asked for, if the rule says so.
  bool all_well() const {
    const Counts& counts = totals.counts;
    if (trouble || totals.interrupted) return false;
    if (totals.halted && totals.halted->why == HaltRule::Why::success) return true;
    return counts.done() - counts.ok == counts.allowed + counts.halted;
  }
};

// How much of the machine the jobs may have together.
struct Limits {
  std::uint32_t cpus = 0;  // places, of which a job takes as many as its demand says; 0: as many as the engine runs at a time
  std::optional<Bytes> memory_free;  // no job is started while less is free
  ReadFile read = &read_file;        // how that is found out
  const bool* paused =
      nullptr;  // a switch that the sinks may turn (a key): while it is on no job is started; null: there is none
  std::int32_t* more_workers = nullptr;     // the same: so many more workers are wanted, or fewer; set to 0 when that was heard
  std::uint32_t most_workers = UINT32_MAX;  // that there may be
};

// A typed job in this process did not return after it was told to. `job` names it; `safe` outcomes are with the sinks, which
// were flushed. Must not return: the job's thread cannot be ended in any other way than with the program.
using GiveUpHandler = std::function<void(const JobSpec& job, std::uint64_t safe)>;

// `guardian`, if there is one, is looked at in every turn. `shared` is what the engine gives to the jobs; here only its counters are
// read, when the run is over. `halt`: when to stop early. Every demand of the batch must fit into `limits`. `before`: what has ended in
// an earlier start of this run, and is not among the jobs of the batch's source any more.
[[nodiscard]] Result<RunAnswer> run(Batch& batch, Engine& engine, std::span<Sink* const> sinks, Interrupts* interrupts,
                                    const GiveUpHandler& give_up, const Shared& shared = Shared::none(),
                                    Guardian* guardian = nullptr, const std::optional<HaltRule>& halt = std::nullopt,
                                    const Limits& limits = {}, const EndedBefore* before = nullptr);

}  // namespace runner::master
