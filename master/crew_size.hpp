// crew_size.hpp - how many workers a run gets that was asked for more, or fewer, and why not as many as that.
//
// Pure.
//
// Called from  the run loop, for a key that a person pressed.
// Owns         nothing.
// Fails with   nothing: what cannot be is cut off, and the answer says why.
#pragma once

#include <cstdint>
#include <string>

#include <runner/demand.hpp>

namespace runner::master {

struct CrewLimits {
  std::uint32_t procs = 1;          // workers, as wanted now
  std::uint32_t cpus = 1;           // places for jobs, as they are now: as many come or go as workers do
  const Demand* widest = nullptr;   // of the jobs that may still run; null: each takes one place
  std::uint32_t most = UINT32_MAX;  // workers that there may be
  bool stopping = false;            // nothing more is started
};

struct CrewSize {
  std::uint32_t procs;
  std::string why_not;  // other than was asked for; empty: it is what was asked for
};
[[nodiscard]] CrewSize crew_size(std::int64_t more, const CrewLimits& limits);

}  // namespace runner::master
