// find_store.hpp - which run store `runs`, `show`, `export` and `replay` read, opened; and how a person names one of its jobs.
//
// Called from  the commands that read a store.
// Owns         nothing.
// Fails with   unwritable or usage: no store, no such run, no such job (with a near miss).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <runner/result.hpp>
#include "report/store/database.hpp"
#include "report/store/stored_runs.hpp"

namespace runner::cli {

// The one that is given; else the one in the working directory (*.runs.sqlite) that was written last.
[[nodiscard]] Result<std::string> find_store(const std::string& given);

// The newest when no number is given.
[[nodiscard]] Result<report::StoredRun> find_run(report::Database& store, std::optional<std::int64_t> number);
[[nodiscard]] Result<report::StoredJob> find_job(report::Database& store, const report::StoredRun& run, std::string_view name);

// The line that runs this job again, in this folder: "runner replay pi-731"; with --store where it would not be found.
[[nodiscard]] std::string replay_line(const std::string& store, std::string_view job,
                                      std::optional<std::int64_t> run = std::nullopt);
// And the line that is about a run as a whole: "runner show 1".
[[nodiscard]] std::string run_line(std::string_view command, const std::string& store, std::int64_t run);

}  // namespace runner::cli
