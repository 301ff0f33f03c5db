// choose_store.hpp - which run store a run keeps its outcomes in, and what of the batch is in it already.
//
// Called from  run_batch, before the engine is made. Leaves no descriptor open.
// Fails with   unwritable or usage (exit 2): a store that was asked for, by name or with --resume, cannot be used. The default
//              that cannot be used is given up instead, for a numbered one or none, and said so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <runner/batch.hpp>
#include <runner/result.hpp>
#include "cli/options.hpp"
#include "report/store/resume.hpp"
#include "report/store/run_store.hpp"

namespace runner::cli {

struct ChosenStore {
  std::optional<report::Sitting> sitting;  // nothing: no store
  std::optional<report::ResumePlan> plan;  // of a resumed run
  std::vector<JobId> first;                // jobs that should start before the others; of those that are to run
  std::vector<std::string> notices;        // for standard error
};

[[nodiscard]] Result<ChosenStore> choose_store(const RunOptions& options, const Batch& batch);

// `<name of the batch>.runs.sqlite`; what cannot be in the name of a file becomes `_`.
[[nodiscard]] std::string default_store(const std::string& batch);

}  // namespace runner::cli
