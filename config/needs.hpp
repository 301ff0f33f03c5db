// needs.hpp - from what the entries need, how urgent they are, and what they take, to the plan of the batch.
//
// Called from  read_batch.cpp, after the names are settled.
// Fails with   BadBatch: a need that no job is called by, or a cycle, printed as a path.
// Never        makes a plan for a batch whose jobs are all ready, equally urgent and take the same: it stays lazy. One whose jobs take
//              different things, but are not all known before they are read, gets none either: then who is next waits until he fits.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <runner/plan.hpp>
#include "config/entry.hpp"

namespace runner::config {

// Needs that depend on the matrix are kept for each job, in some hundred bytes; all others once for an entry.
inline constexpr std::uint64_t kMostWithOwnNeeds = 1'000'000;

[[nodiscard]] std::optional<Plan> make_plan(std::vector<std::unique_ptr<Entry>>& entries);

}  // namespace runner::config
