// in_process.hpp - the engines that run jobs inside this program: serial, threads (oneTBB), async (Boost.Asio).
//
// They show what the isolation of processes costs, by not having it: a job that crashes ends the program (last_words.hpp), and
// a typed job can only be asked to stop. It is asked at its deadline, or by the second interrupt; when it returns it has timed
// out, or was cancelled, whatever it returned; one that has not returned 2 s later ends the run. Commands are ended as in
// every engine: TERM to their process group, KILL 2 s later.
//
//   serial   one job after another on the loop's own thread, inside wait(); in the meantime a watchdog watches the deadline
//   threads  `procs` oneTBB threads run jobs, the loop's thread only hands them out
//   async    one event loop on the loop's thread: up to `procs` jobs under way at a time. Commands, and kinds with an
//            asynchronous body, wait side by side; any other kind blocks the loop while it runs
//
// Called from  the run loop's thread.
// Owns         their threads and commands; destroying an engine ends them.
// Fails with   open: system, when threads or descriptors are refused.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <runner/registry.hpp>
#include "master/engine.hpp"
#include "master/engines/run_here.hpp"
#include "master/interrupts.hpp"
#include "master/ledger.hpp"

namespace runner::master {

// A typed job did not return after it was asked to, for this reason. Must not return: the job's thread cannot be ended in any
// other way than with the program. Called from another thread than the loop's when the job blocks that one (the sinks are idle
// then and stay so: they may be flushed).
using StuckHandler = std::function<void(const JobSpec& job, StopReason reason)>;

// The loop's thread is inside a job and cannot tell that there were so many interrupts by now. Called as StuckHandler is, but
// returns: until then the loop's thread stays out of the sinks.
using InterruptHandler = std::function<void(unsigned interrupts)>;

struct InProcess {
  const Registry& registry;                // lives as long as the engine, unchanged
  const Interrupts* interrupts = nullptr;  // null: nobody interrupts
  StuckHandler stuck;
  Surroundings around;
  Measure measure = Measure::sampled;  // for the ledger
  InterruptHandler heard = {};         // empty: the loop tells it once the job has returned
};

[[nodiscard]] std::unique_ptr<Engine> make_serial_engine(InProcess here);
[[nodiscard]] std::unique_ptr<Engine> make_threads_engine(std::uint32_t procs, InProcess here);
[[nodiscard]] std::unique_ptr<Engine> make_async_engine(std::uint32_t procs, InProcess here);

}  // namespace runner::master
