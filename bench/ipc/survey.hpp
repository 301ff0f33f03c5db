// survey.hpp - what is measured, and in which order: every repetition goes through all mechanisms before the next begins
// (A B C A B C ...), so that a machine that becomes slower meanwhile slows all of them.
//
// Called from  the measuring process.
// Fails with   WrongAnswer. A mechanism that the machine refuses is left out and remarked on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/ipc/mechanism.hpp"
#include "bench/ipc/results.hpp"

namespace runner::bench {

struct Plan {
  std::vector<std::size_t> sizes;       // bytes of a payload
  std::vector<std::size_t> crews;       // how many children; the first table has 1
  std::vector<std::size_t> crew_sizes;  // bytes, with each of the crews
  std::size_t repetitions = 5;
  Seconds least{};  // of a timed batch
};

// The names of the rows that are copies in one process.
inline constexpr const char* kCopyWarm = "memcpy, warm";
inline constexpr const char* kCopyFresh = "memcpy, fresh pages";

// Where a stream to one child is measured.
[[nodiscard]] Placement stream_placement(const Processors& processors);

// `progress` is told what part of it is done, 0 to 1.
[[nodiscard]] Results survey(const std::vector<std::unique_ptr<Mechanism>>& mechanisms, const Plan& plan,
                             const Processors& processors, const std::function<void(double)>& progress);

}  // namespace runner::bench
