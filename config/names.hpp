// names.hpp - no two jobs of a batch have one name.
//
// Up to kMostChecked jobs every name is made and compared. Beyond that, and where jobs come from a pipe, names must be different by their form, and a batch whose
// names might be the same is refused with the advice to use every key.
//
// Called from  read_batch.cpp, before the first job.
// Fails with   BadBatch.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "config/entry.hpp"

namespace runner::config {

inline constexpr std::uint64_t kMostChecked = 1'000'000;

// Gives an unnamed entry whose default is taken another one (`primes#2`), then checks all.
void settle_names(std::vector<std::unique_ptr<Entry>>& entries);

}  // namespace runner::config
