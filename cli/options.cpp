#include "cli/options.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include <runner/units.hpp>
#include <runner/value.hpp>
#include <runner/version.hpp>
#include "master/usable_cpus.hpp"

namespace runner::cli {

namespace {

constexpr const char* kRunDescription =
    "Runs batches of CPU-heavy jobs on isolated worker processes, and shows what the\nisolation costs.";

constexpr const char* kRunExamples = R"(EXAMPLES
  runner jobs.yaml                         a worker process for each usable CPU
  runner --procs 8 jobs.yaml               eight of them
  runner check jobs.yaml                   only look whether the file is right
  runner --dry-run jobs.yaml               print what would run
  runner --results out.jsonl jobs.yaml     one JSON object per job (or .csv)
  runner --keep-order jobs.yaml > out.txt  output in the order of the file
  runner --halt soon,fail=3 jobs.yaml      start no more once three have failed
  runner --mode threads jobs.yaml          the same on threads, to compare
  runner kinds primes                      what a typed job takes and gives
  generate-jobs | runner -                 the batch from standard input

A BATCH FILE
  version: 1
  defaults: {timeout: 60s}
  jobs:
    - name: pi                                     # a typed job, 2000 times
      kind: monte_carlo_pi
      matrix: {seed: 1..1000, samples: [100000, 400000]}
    - name: small-${{ file.stem }}                 # any program
      command: [gzip, -9, --keep, "${{ file }}"]
      matrix: {file: {glob: "logs/*.log"}}
    - name: count                                  # a line of shell
      shell: sort words.txt | uniq -c > counts.txt

RESULTS go to standard output: a command's own output, a typed job's result as
one line of JSON.
Progress and the closing summary go to standard error.

EXIT STATUS
  0    every job ended well, or was allowed to fail; or --halt stopped the run
       before any other failed
  1    some job did not, or results could not be written
  2    the command line or the batch file is wrong; nothing has run
  130  interrupted: Ctrl-C lets running jobs finish, a second one ends them, a
       third ends everything
)";

class Formatter : public CLI::Formatter {
 public:
  explicit Formatter(std::string usage) : usage_(std::move(usage)) { column_width(32); }
  std::string make_usage(const CLI::App*, std::string) const override { return usage_; }
  std::string make_option_opts(const CLI::Option* option) const override {
    // Only what a person types; not the names of C++ types.
    return option->get_option_text().empty() ? std::string() : " " + option->get_option_text();
  }

 private:
  std::string usage_;
};

void shape(CLI::App& app, const std::string& usage) {
  app.formatter(std::make_shared<Formatter>(usage));
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_help_flag("-h,--help", "Print this page");
  app.allow_extras();
}

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

// The option in front says which; CLI11 puts its name there.
std::string check_procs(const std::string& text) {
  std::uint32_t procs = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), procs);
  if (error == std::errc() && end == text.data() + text.size() && procs >= 1 && procs <= kMostProcs) return {};
  return fmt::format(
      "`{}` must be a whole number from 1 to {}, as many as one master has places for; this machine has {} usable CPUs", text,
      kMostProcs, master::usable_cpus().count);
}

std::string check_size(const std::string& text) {
  const Result<Bytes> size = parse_size(text);
  if (!size) return size.error().text;
  return size->count == 0 ? fmt::format("`{}` would fail every job; give it a size such as 64MiB", text) : std::string();
}

void add_plugins(CLI::App& app, std::vector<std::string>& plugins) {
  app.add_option("--plugin", plugins, "Load further kinds; may be repeated")
      ->option_text("SO")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

// Parses; answers the help page if that was asked for. What is left over is an error with a near miss.
Result<std::optional<ShowText>> parse(CLI::App& app, std::vector<std::string> arguments) {
  std::erase(arguments, "--");                       // what follows is a file anyway
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return ShowText{app.help()};
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::usage, error.what());
  }
  const std::vector<std::string> extra = app.remaining();
  if (extra.empty()) return std::nullopt;
  if (!extra.front().starts_with('-'))
    return fail(ErrorCode::usage, fmt::format("`{}` is one argument too many", extra.front()));
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string word = extra.front().substr(0, extra.front().find('='));
  const std::string_view near = near_miss(word, known);
  return fail(ErrorCode::usage,
              fmt::format("there is no option `{}`{}", word, near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
}

tl::unexpected<Error> no_file(std::string_view command) {
  return fail(ErrorCode::usage,
              fmt::format("which batch file? Give one, as in `runner {}jobs.yaml`, or `-` for standard input", command));
}

Result<Command> parse_run(const std::vector<std::string>& arguments) {
  RunOptions options;
  CLI::App app(kRunDescription);
  shape(app,
        "\nUSAGE\n  runner [run] [OPTIONS] jobs.yaml     run a batch (`-`: from standard input)\n"
        "  runner check jobs.yaml               check a batch file, run nothing\n"
        "  runner explain jobs.yaml JOB         what it waits for, and would run\n"
        "  runner kinds [NAME]                  kinds of typed jobs, their arguments\n"
        "  runner --version | --help\n");
  app.footer(kRunExamples);
  app.add_option("FILE", options.file, "The batch file")->option_text(" ");
  app.add_option("-p,--procs", options.procs, "Jobs at a time; default: the usable CPUs")
      ->option_text("N")
      ->check(CLI::Validator(check_procs, ""));
  choice<Mode>(app, "-m,--mode", options.mode,
               {{"processes", Mode::processes}, {"threads", Mode::threads}, {"async", Mode::async}, {"serial", Mode::serial}},
               "Isolated processes (default), oneTBB threads,\nan event loop, or one after another here");
  const CLI::Option* transport = choice<master::Transport>(app, "--transport", options.transport,
                                                           {{"shm", master::Transport::shm}, {"pipe", master::Transport::pipe}},
                                                           "Shared memory (default) or pipes");
  const CLI::Option* start = choice<master::StartMethod>(
      app, "--start", options.start, {{"spawn", master::StartMethod::spawn}, {"fork", master::StartMethod::fork}},
      "A thin program (default), or a fork of this one");
  const CLI::Option* bind =
      choice<master::Bind>(app, "--bind", options.bind, {{"core", master::Bind::core}, {"none", master::Bind::none}},
                           "A core for each process when there are enough\n(default), or none");
  const auto take_size = [&](const std::string& text) { options.max_result = parse_size(text).value(); };
  app.add_option_function<std::string>("--max-result", take_size,
                                       "A job with a larger result fails (default: as\nthe file says, or 1GiB)")
      ->option_text("SIZE")
      ->check(CLI::Validator(check_size, ""));
  const CLI::Option* results = app.add_option("-r,--results", options.results, "Write one record per job, by the file's ending")
                                   ->option_text("FILE.jsonl|FILE.csv");
  app.add_flag("-k,--keep-order", options.keep_order, "Output and results in the order of the batch");
  const auto take_halt = [&](const std::string& text) { options.halt = master::HaltRule::parse(text).value(); };
  const auto check_halt = [](const std::string& text) {
    const Result<std::optional<master::HaltRule>> rule = master::HaltRule::parse(text);
    return rule ? std::string() : rule.error().text;
  };
  app.add_option_function<std::string>("--halt", take_halt,
                                       "Stop early: now|soon,fail|success|done=N|N%, as\n"
                                       "in GNU parallel: `now` ends what runs, `soon`\n"
                                       "lets it finish. Jobs that may fail are not\n"
                                       "counted as failed. Default: never")
      ->option_text("WHEN,WHY=N")
      ->check(CLI::Validator(check_halt, ""));
  app.add_flag("-n,--dry-run", options.dry_run, "Print what would run, and run nothing");
  choice<report::ProgressStyle>(app, "--progress", options.progress,
                                {{"auto", report::ProgressStyle::automatic},
                                 {"bar", report::ProgressStyle::bar},
                                 {"lines", report::ProgressStyle::lines},
                                 {"none", report::ProgressStyle::none}},
                                "Default: a bar on a terminal, else lines");
  add_plugins(app, options.plugins);

  const Result<std::optional<ShowText>> parsed = parse(app, arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  if (options.file.empty()) return no_file("");
  if (results->count() != 0 && options.results.empty()) {
    return fail(ErrorCode::usage, "--results names no file (an empty variable?); give one that ends in .jsonl or .csv");
  }
  for (const CLI::Option* option : {transport, start, bind}) {
    if (option->count() != 0 && options.mode != Mode::processes) {
      return fail(
          ErrorCode::usage,
          fmt::format("{} is about worker processes, and --mode says otherwise; leave one of them out", option->get_name()));
    }
  }
  return options;
}

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

}  // namespace

Result<Command> parse_arguments(const std::vector<std::string>& arguments) {
  const std::string first = arguments.empty() ? std::string() : arguments.front();
  const std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (first == "check") return parse_check(rest);
  if (first == "explain") return parse_explain(rest);
  if (first == "kinds") return parse_kinds(rest);
  if (first == "run") return parse_run(rest);
  if (first == "--version" || first == "-V") return ShowText{"runner " RUNNER_VERSION_STRING "\n"};
  if (first == "help") return parse_run({"--help"});
  return parse_run(arguments);
}

}  // namespace runner::cli
