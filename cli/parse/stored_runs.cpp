// The commands that read a run store.
#include <array>
#include <charconv>

#include "cli/parse/grammar.hpp"
#include "cli/parse/parsers.hpp"

namespace runner::cli {

namespace {

// Parses: the same, and `--store` behind their own options.
Result<std::optional<ShowText>> parse_with_store(CLI::App& app, const std::vector<std::string>& arguments, std::string& store) {
  const CLI::Option* option =
      app.add_option("--store", store, "The run store (default: the *.runs.sqlite here\nthat was written last)")
          ->option_text("FILE");
  Result<std::optional<ShowText>> parsed = parse(app, arguments);
  if (parsed && !*parsed && option->count() != 0 && store.empty()) {
    return fail(ErrorCode::usage, "--store names no file (an empty variable?); give one, or leave it out");
  }
  return parsed;
}

std::string check_run(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 1) return {};
  return fmt::format("`{}` is no number of a run; `runner runs` lists them", text);
}

}  // namespace

Result<Command> parse_runs(const std::vector<std::string>& arguments) {
  RunsOptions options;
  CLI::App app("Lists the runs that a run store holds.");
  shape(app, "\nUSAGE\n  runner runs [OPTIONS]\n");
  const Result<std::optional<ShowText>> parsed = parse_with_store(app, arguments, options.store);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  return options;
}

Result<Command> parse_show(const std::vector<std::string>& arguments) {
  ShowOptions options;
  CLI::App app("Shows a recorded run and what in it did not end well; or all that is known of\none of its jobs.");
  shape(app, "\nUSAGE\n  runner show [OPTIONS] [RUN] [JOB]\n");
  std::string first, second;
  app.add_option("RUN", first, "A number of `runner runs`; default: the newest")->option_text(" ");
  app.add_option("JOB", second, "The name of a job")->option_text(" ");
  const Result<std::optional<ShowText>> parsed = parse_with_store(app, arguments, options.store);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  for (std::string* word : {&first, &second}) {
    if (!word->empty()) options.words.push_back(std::move(*word));
  }
  return options;
}

Result<Command> parse_export(const std::vector<std::string>& arguments) {
  ExportOptions options;
  CLI::App app(
      "Writes the outcomes of a recorded run to standard output, in the order of the\n"
      "batch. Of outputs beyond 1 MiB a store keeps the last 64 KiB.");
  shape(app, "\nUSAGE\n  runner export [OPTIONS] [RUN]\n");
  app.add_option("RUN", options.run, "A number of `runner runs`; default: the newest")
      ->option_text(" ")
      ->check(CLI::Validator(check_run, ""));
  std::string format = "jsonl";
  app.add_option("-f,--format", format, "As --results writes them (default: jsonl), or\nthe columns of GNU parallel's --joblog")
      ->option_text("jsonl|csv|joblog");
  const Result<std::optional<ShowText>> parsed = parse_with_store(app, arguments, options.store);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  const std::array<std::string_view, 3> formats{"jsonl", "csv", "joblog"};  // in the order of ExportFormat
  const auto found = std::find(formats.begin(), formats.end(), format);
  if (found == formats.end()) {
    const std::string_view near = near_miss(format, {formats.begin(), formats.end()});
    return fail(ErrorCode::usage, fmt::format("--format: `{}` is none of {}{}", format, fmt::join(formats, ", "),
                                              near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  }
  options.format = static_cast<ExportFormat>(found - formats.begin());
  return options;
}

Result<Command> parse_replay(const std::vector<std::string>& arguments) {
  ReplayOptions options;
  CLI::App app(
      "Runs one job of a recorded run once more, where and as it was run then, with\n"
      "what the environment is now. Records nothing.");
  shape(app, "\nUSAGE\n  runner replay [OPTIONS] JOB\n  gdb --args runner replay --debug JOB\n");
  app.add_option("JOB", options.job, "The name of the job")->option_text(" ");
  app.add_option("--run", options.run, "A number of `runner runs`; default: the newest")
      ->option_text("RUN")
      ->check(CLI::Validator(check_run, ""));
  app.add_flag("--debug", options.debug,
               "For a debugger: a typed job runs in this\nprocess, a command in its place; no timeout");
  const Result<std::optional<ShowText>> parsed = parse_with_store(app, arguments, options.store);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  if (options.job.empty()) {
    return fail(ErrorCode::usage,
                "which job? Give its name, as in `runner replay NAME`; `runner show` lists those that did not "
                "end well");
  }
  return options;
}

}  // namespace runner::cli
