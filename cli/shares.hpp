// shares.hpp - what of the machine each job gets when nobody says: places, and threads for each place.
//
// Called from  run_batch, explain and doctor, so that what is told is what is done.
// Owns         nothing. Pure.
#pragma once

#include <cstdint>
#include <span>

#include <runner/demand.hpp>
#include "master/engines/binding.hpp"
#include "master/usable_cpus.hpp"

namespace runner::cli {

// Places without --procs: the usable processors, or those of `--bind LIST`, if these are fewer.
[[nodiscard]] std::uint32_t default_procs(const master::UsableCpus& cpus, const master::Processors& list);

// The most processors that one job takes; at least 1.
[[nodiscard]] std::uint32_t most_cpus(std::span<const Demand> demands);

// Threads that the libraries of a job may start for each place that it takes: one, where it has a core of its own; else its share of
// the usable processors.
[[nodiscard]] std::uint32_t threads_of_place(master::Bind bind, std::uint32_t widest, std::uint32_t places,
                                             const master::UsableCpus& cpus);

}  // namespace runner::cli
