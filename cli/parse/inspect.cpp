// The commands that look at a batch, a kind or the machine, and run nothing.
#include "cli/parse/grammar.hpp"
#include "cli/parse/parsers.hpp"

namespace runner::cli {

Result<Command> parse_check(const std::vector<std::string>& arguments) {
  CheckOptions options;
  CLI::App app("Checks a batch file: form, kinds, arguments, names, globs, plug-ins. Runs nothing.");
  shape(app, "\nUSAGE\n  runner check [OPTIONS] jobs.yaml\n");
  app.add_option("FILE", options.file, "The batch file; `-`: standard input")->option_text(" ");
  add_plugins(app, options.plugins);
  const Result<std::optional<ShowText>> parsed = parse(app, arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  if (options.file.empty()) return no_file("check ");
  return options;
}

Result<Command> parse_explain(const std::vector<std::string>& arguments) {
  ExplainOptions options;
  CLI::App app("Says of one job what it waits for, what exactly it would run, and under which rules. Runs nothing.");
  shape(app, "\nUSAGE\n  runner explain [OPTIONS] jobs.yaml JOB\n");
  app.add_option("FILE", options.file, "The batch file; `-`: standard input")->option_text(" ");
  app.add_option("JOB", options.job, "The name of the job")->option_text(" ");
  add_plugins(app, options.plugins);
  const Result<std::optional<ShowText>> parsed = parse(app, arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  if (options.file.empty()) return no_file("explain ");
  if (options.job.empty()) {
    return fail(ErrorCode::usage,
                fmt::format("which job? Give its name, as in `runner explain {} NAME`; `runner --dry-run {}` lists them",
                            options.file, options.file));
  }
  return options;
}

Result<Command> parse_doctor(const std::vector<std::string>& arguments) {
  DoctorOptions options;
  CLI::App app("Says what a run would find on this machine, what it would use of that, and why.\nStarts nothing.");
  shape(app, "\nUSAGE\n  runner doctor [OPTIONS]\n");
  app.add_flag("--json", options.json, "As JSON");
  app.add_option("-p,--procs", options.procs, "As if a run was given this")
      ->option_text("N")
      ->check(CLI::Validator(check_procs, ""));
  add_bind(app, options.bind, options.processors);
  const Result<std::optional<ShowText>> parsed = parse(app, arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  return options;
}

Result<Command> parse_kinds(const std::vector<std::string>& arguments) {
  KindsOptions options;
  CLI::App app("Lists the kinds of typed jobs; of one kind, every argument with its type, unit, default and range.");
  shape(app, "\nUSAGE\n  runner kinds [OPTIONS] [NAME]\n");
  app.add_option("NAME", options.name, "One kind; all when left out")->option_text(" ");
  app.add_flag("--json", options.json, "As JSON");
  add_plugins(app, options.plugins);
  const Result<std::optional<ShowText>> parsed = parse(app, arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  return options;
}

}  // namespace runner::cli
