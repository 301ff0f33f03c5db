// exec_arguments.hpp - what `runner exec` has that `runner run` has not: options of its own, a command, and its arguments behind `:::`.
//
// Called from  parse_run, on the main thread.
// Owns         nothing; it writes into what the parser owns.
// Fails with   usage.
// Call order   add_exec_options parse_exec
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/parse/grammar.hpp"
#include "config/exec_batch.hpp"

namespace runner::cli {

extern const char* const kExecDescription;
extern const char* const kExecExamples;

// `files`: of --arg-file.
void add_exec_options(CLI::App& app, config::ExecSpec& spec, std::vector<std::string>& files);
[[nodiscard]] Result<std::optional<ShowText>> parse_exec(CLI::App& app, std::vector<std::string> arguments,
                                                         config::ExecSpec& spec, const std::vector<std::string>& files);

}  // namespace runner::cli
