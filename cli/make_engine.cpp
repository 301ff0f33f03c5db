#include "cli/make_engine.hpp"

#include "master/engines/processes.hpp"
#include "master/engines/room_for_workers.hpp"

namespace runner::cli {

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
  master::allow_descriptors(procs, shared.segments());
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
