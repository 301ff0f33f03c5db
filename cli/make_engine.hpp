// make_engine.hpp - the engine that the options of a run ask for.
//
// Called from  run_batch and compare, on the main thread.
// Owns         nothing; what it is given must outlive the engine.
// Fails with   nothing: opening the engine does.
#pragma once

#include <cstdint>
#include <memory>

#include <runner/registry.hpp>
#include "cli/options.hpp"
#include "ipc/shared_state.hpp"
#include "master/engines/in_process.hpp"
#include "master/guardian.hpp"
#include "master/interrupts.hpp"
#include "master/usable_cpus.hpp"

namespace runner::cli {

// `widest`: the most processors that one job of the batch takes.
[[nodiscard]] std::unique_ptr<master::Engine> make_engine(const RunOptions& options, std::uint32_t procs,
                                                          const master::UsableCpus& cpus, Registry& registry,
                                                          const master::Interrupts& interrupts,
                                                          const master::StuckHandler& stuck, const ipc::SharedState& shared,
                                                          Bytes max_result, master::Guardian& guardian, std::uint32_t widest,
                                                          const master::InterruptHandler& heard = {});

}  // namespace runner::cli
