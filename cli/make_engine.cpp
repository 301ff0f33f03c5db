#include "cli/make_engine.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "master/engines/processes.hpp"

namespace runner::cli {

namespace {

// Each worker takes about six descriptors of ours, and what is on its way to it counts too; a limit that the system lets us raise
// should stop nobody.
void allow_descriptors(std::uint32_t procs, std::uint32_t shared) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = 64 + shared + (rlim_t{8} + shared) * procs;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);  // if it is refused, the worker that is one too many gets the message
}

}  // namespace

std::unique_ptr<master::Engine> make_engine(const RunOptions& options, std::uint32_t procs, const master::UsableCpus& cpus,
                                            Registry& registry, const master::Interrupts& interrupts,
                                            const master::StuckHandler& stuck, const ipc::SharedState& shared, Bytes max_result,
                                            master::Guardian& guardian, std::uint32_t widest,
                                            const master::InterruptHandler& heard) {
  const master::InProcess here{registry, &interrupts, stuck, {&shared.view(), max_result}, options.measure, heard};
  switch (options.mode) {
    case Mode::serial: return master::make_serial_engine(here);
    case Mode::threads: return master::make_threads_engine(procs, here);
    case Mode::async: return master::make_async_engine(procs, here);
    case Mode::processes: break;
  }
  allow_descriptors(procs, shared.segments());
  return master::make_process_engine({.procs = procs,
                                      .transport = options.transport,
                                      .start = options.start,
                                      .bind = options.bind,
                                      .processors = options.processors,
                                      .widest = widest,
                                      .nice = options.nice,
                                      .cpus = cpus,
                                      .worker_program = {},
                                      .geometry = {},
                                      .max_result = max_result.count,
                                      .measure = options.measure,
                                      .guardian = &guardian,
                                      .shared = &shared},
                                     registry);
}

}  // namespace runner::cli
