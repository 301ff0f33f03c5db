// dry_run.hpp - `--dry-run`: every job, as it would run.
//
// Called from  run_batch.
// Fails with   unwritable, when standard output is closed; bad_batch, when the batch cannot go on.
#pragma once

#include <string>
#include <string_view>

#include <runner/batch.hpp>
#include <runner/registry.hpp>
#include <runner/result.hpp>

namespace runner::cli {

// Commands are printed so that a shell would run them; typed jobs as `kind {"arguments": ...}`.
// `bare`: without names, and scripts as they are, so that what is printed is itself a script.
[[nodiscard]] Result<void> print_jobs(Batch& batch, const Registry& registry, bool bare);

// What a job runs, in one of these lines; a kind that nobody knows (any more) without its arguments.
[[nodiscard]] std::string in_words(const JobSpec& job, const Registry& registry);
[[nodiscard]] std::string bare_words(const JobSpec& job, const Registry& registry);

// Text of a batch, for a person: line breaks are part of a script; anything else that would move a cursor is shown instead.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace runner::cli
