// explain.hpp - `runner explain jobs.yaml JOB`: what the job waits for, what exactly it would run, and under which rules.
//
// Called from  main.
// Fails with   nothing: what goes wrong is printed on standard error and becomes the exit status.
#pragma once

#include <string>

#include <runner/batch.hpp>
#include <runner/registry.hpp>
#include "cli/options.hpp"

namespace runner::cli {

[[nodiscard]] int explain_job(const ExplainOptions& options);

// The page, for a job of the batch. Nothing is started.
[[nodiscard]] Result<std::string> explanation(Batch& batch, JobId id, const Registry& registry);

}  // namespace runner::cli
