// grammar.hpp - what the parsers of all commands share: how a command looks in its help, options that several have, and how words are read.
//
// Called from  the parsers (parsers.hpp), on the main thread.
// Owns         nothing; options are written into what the parser owns.
// Fails with   usage, in one line with what was meant, if it looks like a slip of the pen.
// Call order   shape (choice | add_bind | add_plugins)* (parse | parse_all)
#pragma once

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <runner/result.hpp>
#include <runner/value.hpp>
#include "cli/options.hpp"

namespace runner::cli {

void shape(CLI::App& app, const std::string& usage);

template <class T>
using Words = std::vector<std::pair<std::string_view, T>>;

// An option whose value is one of some words.
template <class T>
CLI::Option* choice(CLI::App& app, const char* name, T& into, const Words<T>& words, const char* description) {
  std::string text;
  for (const auto& [word, value] : words) text += (text.empty() ? "" : "|") + std::string(word);
  const auto take = [&into, words](const std::string& given) {
    for (const auto& [word, value] : words) {
      if (given == word) into = value;
    }
  };
  auto check = [words](const std::string& given) {
    std::vector<std::string_view> known;
    for (const auto& [word, value] : words) known.push_back(word);
    if (std::find(known.begin(), known.end(), given) != known.end()) return std::string();
    const std::string_view near = near_miss(given, known);
    return fmt::format("`{}` is none of {}{}", given, fmt::join(known, ", "),
                       near.empty() ? "" : fmt::format("; did you mean `{}`?", near));
  };
  return app.add_option_function<std::string>(name, take, description)->option_text(text)->check(CLI::Validator(check, ""));
}

// For CLI::Validator: empty is well. The option in front says which; CLI11 puts its name there.
[[nodiscard]] std::string check_procs(const std::string& text);

CLI::Option* add_bind(CLI::App& app, master::Bind& bind, master::Processors& processors);
void add_plugins(CLI::App& app, std::vector<std::string>& plugins);

// Parses; answers the help page if that was asked for.
[[nodiscard]] Result<std::optional<ShowText>> parse_all(CLI::App& app, std::vector<std::string> arguments);
// The same; what is left over is an error with a near miss.
[[nodiscard]] Result<std::optional<ShowText>> parse(CLI::App& app, std::vector<std::string> arguments);

[[nodiscard]] tl::unexpected<Error> no_such_option(const CLI::App& app, const std::string& given);
[[nodiscard]] tl::unexpected<Error> no_file(std::string_view command, std::string_view or_else = ", or `-` for standard input");

// "1,2,4" in its parts.
[[nodiscard]] std::vector<std::string> parts_of(const std::string& text);

}  // namespace runner::cli
