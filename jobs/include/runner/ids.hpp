// ids.hpp - the numbers that name a job, an attempt at it, and a worker.
//
// Strong types, so that one cannot be passed for another. All count from the start of one run.
#pragma once

#include <cstdint>
#include <functional>

namespace runner {

enum class JobId : std::uint64_t {};     // place of the job in the expanded batch, from 0
enum class Attempt : std::uint32_t {};   // 1 is the first attempt
enum class WorkerId : std::uint32_t {};  // 0 .. procs-1; a replacement keeps the number of the worker it replaces

// A batch has at most so many: every JSON reader reads their numbers exactly.
inline constexpr std::uint64_t kMostJobs = std::uint64_t{1} << 53;

[[nodiscard]] constexpr std::uint64_t number(JobId id) { return static_cast<std::uint64_t>(id); }
[[nodiscard]] constexpr std::uint32_t number(Attempt attempt) { return static_cast<std::uint32_t>(attempt); }
[[nodiscard]] constexpr std::uint32_t number(WorkerId id) { return static_cast<std::uint32_t>(id); }
[[nodiscard]] constexpr Attempt next(Attempt attempt) { return Attempt{number(attempt) + 1}; }

}  // namespace runner
