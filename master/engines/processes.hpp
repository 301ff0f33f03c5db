// processes.hpp - the engine that runs jobs on isolated worker processes: the reason for this program.
//
// One worker process per slot of `procs`, each with a connection of its own. A worker that dies is replaced under its number;
// the job whose code it was in has crashed, the jobs behind that one are handed out again and are not charged.
//
// Called from  the run loop's thread, which must be the main thread when `start` is fork, and must outlive the engine
//              (workers get a parent-death signal from it). The program must ignore SIGPIPE when the transport is a pipe: a
//              write to a worker that just died is an error to be handled, not the end of the master.
// Owns         the workers; destroying the engine ends them.
// Fails with   open: usage or system errors, before any job. wait: when workers can no longer be started.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <runner/outcome.hpp>
#include <runner/registry.hpp>
#include "ipc/hello.hpp"
#include "ipc/layout.hpp"
#include "ipc/shared_state.hpp"
#include "ipc/shm_requester.hpp"
#include "master/engine.hpp"
#include "master/engines/binding.hpp"
#include "master/guardian.hpp"
#include "master/ledger.hpp"
#include "master/usable_cpus.hpp"

namespace runner::master {

using ipc::Transport;
inline constexpr std::uint32_t kMostProcs = ipc::kMaxWorkers;
enum class StartMethod : std::uint8_t { spawn, fork };

struct ProcessOptions {
  std::uint32_t procs = 1;  // at most kMostProcs
  Transport transport = Transport::shm;
  StartMethod start = StartMethod::spawn;
  Bind bind = Bind::core;
  Processors processors;       // Bind::list
  std::uint32_t widest = 1;    // most processors that one job takes
  std::optional<int> nice;     // of workers; none: that of the master
  UsableCpus cpus;             // to look without sleeping is only for spare ones, and not for those that a quota counts
  std::string worker_program;  // spawn; empty: `runner-worker` beside this program
  ipc::ShmGeometry geometry;
  std::uint64_t max_result = kMaxResult.count;  // larger results fail their job
  Measure measure = Measure::sampled;           // for the ledger
  Guardian* guardian = nullptr;                 // of the run, if there is one; outlives the engine
  const ipc::SharedState* shared = nullptr;     // sent to every worker; lives as long as the engine
};

// `registry` has its plug-ins loaded; workers load the same ones. Lives as long as the engine.
[[nodiscard]] std::unique_ptr<Engine> make_process_engine(const ProcessOptions& options, Registry& registry);

}  // namespace runner::master
