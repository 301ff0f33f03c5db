// sections.hpp - the budgets of the channel, in sections: each makes its pools, measures, and prints its lines.
//
// Called from  main: each in a process of its own, because a pool is to be made before there are threads, and oneTBB has some.
// Fails with   WrongAnswer, PoolError, std::system_error.
#pragma once

#include <cstddef>

#include "bench/pool/table.hpp"

namespace runner::bench {

struct Scale {
  std::size_t turns = 9;
  std::size_t less = 1;  // by how much there is less of everything, where that leaves a figure a figure
};

inline constexpr std::size_t kInFlight = 1000;

// No-op calls, in chunks and one per slot, beside oneTBB's tasks and beside our own pipes.
void calls(Table& table, const Scale& scale);
// One call at a time beside the bare ping-pong of a cache line.
void round_trip(Table& table, const Scale& scale);
// Eight workers on two cores beside two.
void crowd(Table& table, const Scale& scale);
// 64 MiB there, 64 MiB back, beside a copy into shared memory that was just mapped.
void large(Table& table, const Scale& scale);
// What processes cost that have nothing to do.
void idle(Table& table, const Scale& scale);
// The shortest call of which two workers do half of what they would do if nothing but the calls took time.
void grain(Table& table, const Scale& scale);

}  // namespace runner::bench
