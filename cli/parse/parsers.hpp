// parsers.hpp - a parser for each command: its words -> its options, or the help page that was asked for. One file each, or for a few
// that are alike.
//
// Called from  parse_arguments, on the main thread. `arguments`: without the word that names the command.
// Owns         nothing.
// Fails with   usage.
#pragma once

#include <string>
#include <vector>

#include <runner/result.hpp>
#include "cli/options.hpp"

namespace runner::cli {

// `exec`: the same options, but for the file; and those of the command that stands in its place.
[[nodiscard]] Result<Command> parse_run(const std::vector<std::string>& arguments, bool exec = false);
[[nodiscard]] Result<Command> parse_check(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Command> parse_compare(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Command> parse_bench(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Command> parse_explain(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Command> parse_doctor(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Command> parse_kinds(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Command> parse_runs(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Command> parse_show(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Command> parse_export(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Command> parse_replay(const std::vector<std::string>& arguments);

}  // namespace runner::cli
