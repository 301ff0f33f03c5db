#include "cli/parse/exec_arguments.hpp"

#include <runner/units.hpp>

namespace runner::cli {

const char* const kExecDescription =
    "Runs a command for each argument, on the same workers as `runner run`: a crash\ncosts one job, output is kept together, "
    "Ctrl-C ends cleanly.";

const char* const kExecExamples = R"(ARGUMENTS
  ::: a b c             these
  :::: FILE...          the lines of a file; `-` is standard input
  ::: a b ::: 1 2       all combinations, the last one fastest
  ::: a b :::+ 1 2      in step (also ::::+ FILE); the shorter one ends it
  nothing of these      the lines of standard input, as they come

REPLACEMENT STRINGS
  {}    the argument           {.}   without its extension
  {/}   its last part          {/.}  its last part without extension
  {//}  its folder             {2} {2.} {-1/} ...  of the second, the last input
  {#}   the job's number       {%}   the number of the place it runs in
  Without any, the arguments stand behind the command. Without a command, each
  argument is one. An argument is one word to the shell, whatever is in it; a
  command of plain words is run without a shell.

EXAMPLES
  runner exec --procs 8 'gzip -9 {}' ::: *.txt
  runner exec convert {} -resize 50% {.}.small.jpg ::: photos/*.jpg
  runner exec 'wc -l {} > {/.}.count' :::: list.txt
  runner exec echo {1}-{2} ::: a b ::: 1 2 3
  find . -name '*.log' -print0 | runner exec -0 xz
  runner exec < commands.txt
)";

namespace {

bool is_separator(std::string_view word) { return word == ":::" || word == ":::+" || word == "::::" || word == "::::+"; }

// `::: a b :::: file`: what stands behind the command.
Result<void> take_inputs(const std::vector<std::string>& words, std::vector<config::Input>& inputs) {
  for (std::size_t i = 0; i < words.size();) {
    const std::string& separator = words[i];
    config::Input input{.is_file = separator.starts_with("::::"), .in_step = separator.ends_with('+'), .values = {}};
    if (input.in_step && inputs.empty()) {
      return fail(ErrorCode::usage, fmt::format("`{}` goes in step with the input before it, and there is none; write `{}`",
                                                separator, separator.substr(0, separator.size() - 1)));
    }
    for (++i; i < words.size() && !is_separator(words[i]); ++i) {
      input.values.push_back(words[i]);
      if (input.is_file) {
        inputs.push_back(input);  // each file is an input of its own
        input.values.clear();
      }
    }
    if (!input.is_file) inputs.push_back(std::move(input));
    if (separator.starts_with("::::") && is_separator(words[i - 1])) {
      return fail(ErrorCode::usage, fmt::format("`{}` names no file; give one, or `-` for standard input", separator));
    }
  }
  return {};
}

}  // namespace

void add_exec_options(CLI::App& app, config::ExecSpec& spec, std::vector<std::string>& files) {
  app.prefix_command();  // what follows the options is not ours to read
  app.add_option("-a,--arg-file", files, "Arguments are the lines of this file, as `::::`")
      ->option_text("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app.add_flag("-0,--null", spec.null, "Arguments in files end with NUL (find -print0)");
  app.add_flag("--link", spec.link, "All inputs go in step; shorter ones begin again");
  app.add_flag("-q,--quote", spec.exact, "The words are the command as it is: no shell");
  app.add_flag("--no-run-if-empty", spec.skip_blank, "Arguments of nothing but blanks make no job");
  const auto check_timeout = [](const std::string& text) {
    const Result<Duration> timeout = parse_duration(text);
    if (!timeout) return timeout.error().text;
    return *timeout == Duration::zero() ? "a timeout of 0 would end every job at once; leave it out for none" : std::string();
  };
  app.add_option_function<std::string>(
         "--timeout", [&spec](const std::string& text) { spec.timeout = parse_duration(text).value(); },
         "Of one attempt, such as 90s")
      ->option_text("TIME")
      ->check(CLI::Validator(check_timeout, ""));
  app.add_option("--retries", spec.retries, "Further attempts after one that failed")
      ->option_text("N")
      ->check(CLI::Range(0U, 1'000'000U));
}

Result<std::optional<ShowText>> parse_exec(CLI::App& app, std::vector<std::string> arguments, config::ExecSpec& spec,
                                           const std::vector<std::string>& files) {
  const auto separator = std::find_if(arguments.begin(), arguments.end(), is_separator);
  std::vector<std::string> behind(separator, arguments.end());
  arguments.erase(separator, arguments.end());
  if (Result<std::optional<ShowText>> parsed = parse_all(app, std::move(arguments)); !parsed || *parsed) return parsed;
  spec.command = app.remaining();
  if (!spec.command.empty() && spec.command.front() == "--") {
    spec.command.erase(spec.command.begin());
  } else if (!spec.command.empty() && spec.command.front().starts_with('-')) {
    return no_such_option(app, spec.command.front());
  }
  for (const std::string& file : files) spec.inputs.push_back({.is_file = true, .in_step = false, .values = {file}});
  if (Result<void> taken = take_inputs(behind, spec.inputs); !taken) return tl::unexpected(taken.error());
  return std::nullopt;
}

}  // namespace runner::cli
