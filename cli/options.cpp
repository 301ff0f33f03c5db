#include "cli/options.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <tuple>
#include <utility>

#include <runner/units.hpp>
#include <runner/value.hpp>
#include <runner/version.hpp>
#include "master/free_memory.hpp"
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
  runner --resume jobs.yaml                go on where a run was stopped
  runner --keep-order jobs.yaml > out.txt  output in the order of the file
  runner --halt soon,fail=3 jobs.yaml      start no more once three have failed
  runner compare jobs.yaml                 under all models in turn: which wins
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
       before any other failed, or for as many successes as it was to have
  1    some job did not, or results could not be written
  2    the command line, the batch file or a store that was asked for cannot
       be used; nothing has run
  130  interrupted: Ctrl-C lets running jobs finish, a second one ends them, a
       third ends everything
)";

constexpr const char* kExecDescription =
    "Runs a command for each argument, on the same workers as `runner run`: a crash\ncosts one job, output is kept together, "
    "Ctrl-C ends cleanly.";

constexpr const char* kExecExamples = R"(ARGUMENTS
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

std::string check_memory_free(const std::string& text) {
  const Result<Bytes> size = parse_size(text);
  if (!size) return size.error().text;
  const std::optional<Bytes> all = master::total_memory();
  return all && *size > *all
             ? fmt::format("`{}` is more than there is ({}), so no job could ever start", text, format_size(*all))
             : std::string();
}

Result<std::pair<master::Bind, master::Processors>> read_bind(const std::string& text) {
  using master::Bind;
  for (const auto& [word, bind] :
       {std::pair{"core", Bind::core}, {"l3", Bind::l3}, {"numa", Bind::numa}, {"none", Bind::none}}) {
    if (text == word) return std::pair{bind, master::Processors{}};
  }
  Result<master::Processors> list = master::parse_processors(text);
  if (!list) return tl::unexpected(list.error());
  const master::Processors allowed = master::allowed_processors();
  for (const int processor : *list) {
    if (std::find(allowed.begin(), allowed.end(), processor) != allowed.end()) continue;
    return fail(ErrorCode::usage,
                fmt::format("this process may not use processor {}; it may use {}", processor, master::text_of(allowed)));
  }
  return std::pair{Bind::list, std::move(*list)};
}

CLI::Option* add_bind(CLI::App& app, master::Bind& bind, master::Processors& processors) {
  const auto take = [&](const std::string& text) { std::tie(bind, processors) = read_bind(text).value(); };
  const auto check = [](const std::string& text) {
    const auto read = read_bind(text);
    return read ? std::string() : read.error().text;
  };
  return app
      .add_option_function<std::string>(
          "--bind", take,
          "Where each process runs: on a core of its own\nwhen there are enough (default), on those of an\n"
          "L3 cache or a NUMA node, on processors 0,2,4-7,\nor anywhere")
      ->option_text("core|l3|numa|none|LIST")
      ->check(CLI::Validator(check, ""));
}

void add_plugins(CLI::App& app, std::vector<std::string>& plugins) {
  app.add_option("--plugin", plugins, "Load further kinds; may be repeated")
      ->option_text("SO")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

// Parses; answers the help page if that was asked for.
Result<std::optional<ShowText>> parse_all(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return ShowText{app.help()};
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::usage, error.what());
  }
  return std::nullopt;
}

tl::unexpected<Error> no_such_option(const CLI::App& app, const std::string& given) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string word = given.substr(0, given.find('='));
  const std::string_view near = near_miss(word, known);
  return fail(ErrorCode::usage,
              fmt::format("there is no option `{}`{}", word, near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
}

// Parses; what is left over is an error with a near miss.
Result<std::optional<ShowText>> parse(CLI::App& app, std::vector<std::string> arguments) {
  if (Result<std::optional<ShowText>> parsed = parse_all(app, std::move(arguments)); !parsed || *parsed) return parsed;
  // `--` is among them; what stands behind it is no option, whatever it looks like.
  std::vector<std::string> extra = app.remaining();
  const bool only_words = !extra.empty() && extra.front() == "--";
  if (only_words) extra.erase(extra.begin());
  if (extra.empty()) return std::nullopt;
  if (only_words || !extra.front().starts_with('-'))
    return fail(ErrorCode::usage, fmt::format("`{}` is one argument too many", extra.front()));
  return no_such_option(app, extra.front());
}

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

tl::unexpected<Error> no_file(std::string_view command) {
  return fail(ErrorCode::usage,
              fmt::format("which batch file? Give one, as in `runner {}jobs.yaml`, or `-` for standard input", command));
}

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

// `exec`: the same options, but for the file; and those of the command that stands in its place.
Result<Command> parse_run(const std::vector<std::string>& arguments, bool exec = false) {
  RunOptions options;
  CLI::App app(exec ? kExecDescription : kRunDescription);
  shape(app, exec ? "\nUSAGE\n  runner exec [OPTIONS] [--] COMMAND... [::: ARGUMENT... | :::: FILE...]...\n"
                  : "\nUSAGE\n  runner [run] [OPTIONS] jobs.yaml     run a batch (`-`: from standard input)\n"
                    "  runner exec COMMAND ::: ARGUMENT...  run a command for each argument\n"
                    "  runner check jobs.yaml               check a batch file, run nothing\n"
                    "  runner compare jobs.yaml             run it under all models in turn\n"
                    "  runner bench ipc                     what ways for processes to talk cost\n"
                    "  runner explain jobs.yaml JOB         why a job waits, what it would run\n"
                    "  runner kinds [NAME]                  kinds of typed jobs, their arguments\n"
                    "  runner runs | show [RUN] [JOB]       what was recorded\n"
                    "  runner export [RUN]                  the same, as JSON lines, CSV or a job log\n"
                    "  runner replay JOB                    a recorded job once more\n"
                    "  runner doctor [--json]               what this machine has, what would be used\n"
                    "  runner --version | --help\n");
  app.footer(exec ? kExecExamples : kRunExamples);
  std::vector<std::string> argument_files;
  if (exec) {
    add_exec_options(app, options.exec.emplace(), argument_files);
  } else {
    app.add_option("FILE", options.file, "The batch file")->option_text(" ");
  }
  app.add_option(exec ? "-p,-j,--procs" : "-p,--procs", options.procs, "Jobs at a time; default: the usable CPUs")
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
  const CLI::Option* bind = add_bind(app, options.bind, options.processors);
  app.add_option("--nice", options.nice, "How readily jobs step back for other programs,\nfrom -20 to 19, as of nice(1)")
      ->option_text("N")
      ->check(CLI::Range(-20, 19));
  const auto take_size = [&](const std::string& text) { options.max_result = parse_size(text).value(); };
  app.add_option_function<std::string>("--max-result", take_size,
                                       "A job with a larger result fails (default: as\nthe file says, or 1GiB)")
      ->option_text("SIZE")
      ->check(CLI::Validator(check_size, ""));
  const CLI::Option* results =
      app.add_option("-r,--results", options.results,
                     "Write one record per job, by the file's ending;\nof a resumed run: those of this start only")
          ->option_text("FILE.jsonl|FILE.csv");
  const CLI::Option* costs =
      app.add_option("--costs", options.costs, "Write what the run cost beside its jobs, as one\nJSON document (docs/costs.md)")
          ->option_text("FILE.json");
  const CLI::Option* trace =
      app.add_option("--trace", options.trace,
                     "Write the run as a timeline that Perfetto and\nchrome://tracing open (docs/costs.md)")
          ->option_text("FILE.json");
  const CLI::Option* report =
      app.add_option("--report", options.report, "Write a page about the run, to be opened in a\nbrowser, offline too")
          ->option_text("FILE.html");
  choice<master::Measure>(app, "--ledger", options.measure,
                          {{"auto", master::Measure::sampled}, {"all", master::Measure::all}, {"off", master::Measure::off}},
                          "Measure 1 in 64 of jobs below 20 us (default),\nevery job, or none");
  const CLI::Option* store =
      app.add_option("--store", options.store, "Record the run there (default:\nNAME.runs.sqlite, of the batch's name)")
          ->option_text("FILE");
  app.add_flag("--no-store", options.no_store, "Record nothing; such a run cannot be resumed");
  app.add_flag("--resume", options.resume, "Go on with the newest run: run what\nhas no outcome in the store");
  const CLI::Option* retry_failed =
      app.add_flag("--retry-failed", options.retry_failed, "As --resume, and what did not end well again");
  const CLI::Option* only_quarantined = app.add_flag("--only-quarantined", options.only_quarantined,
                                                     "Of the newest run: run again what was\nquarantined, and nothing else");
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
  const auto take_free = [&](const std::string& text) { options.memory_free = parse_size(text).value(); };
  app.add_option_function<std::string>("--memory-free", take_free, "Start no job while less memory is free")
      ->option_text("SIZE")
      ->check(CLI::Validator(check_memory_free, ""));
  app.add_flag("-n,--dry-run", options.dry_run, "Print what would run, and run nothing");
  choice<report::ProgressStyle>(app, "--progress", options.progress,
                                {{"auto", report::ProgressStyle::automatic},
                                 {"full", report::ProgressStyle::full},
                                 {"bar", report::ProgressStyle::bar},
                                 {"lines", report::ProgressStyle::lines},
                                 {"none", report::ProgressStyle::none}},
                                "Default: a bar on a terminal, else lines; full:\na row for each worker, and keys");
  add_plugins(app, options.plugins);

  const Result<std::optional<ShowText>> parsed =
      exec ? parse_exec(app, arguments, *options.exec, argument_files) : parse(app, arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  if (!exec && options.file.empty()) return no_file("");
  if (results->count() != 0 && options.results.empty()) {
    return fail(ErrorCode::usage, "--results names no file (an empty variable?); give one that ends in .jsonl or .csv");
  }
  if (costs->count() != 0 && options.costs.empty()) {
    return fail(ErrorCode::usage, "--costs names no file (an empty variable?); give one, as in --costs costs.json");
  }
  if (report->count() != 0 && options.report.empty()) {
    return fail(ErrorCode::usage, "--report names no file (an empty variable?); give one, as in --report run.html");
  }
  if (report->count() != 0 && options.measure == master::Measure::off) {
    return fail(ErrorCode::usage, "--ledger off measures nothing that --report could show; leave out one of the two");
  }
  if (costs->count() != 0 && options.measure == master::Measure::off) {
    return fail(ErrorCode::usage, "--ledger off measures nothing that --costs could tell; leave out one of the two");
  }
  if (trace->count() != 0 && options.trace.empty()) {
    return fail(ErrorCode::usage, "--trace names no file (an empty variable?); give one, as in --trace trace.json");
  }
  if (trace->count() != 0 && options.measure == master::Measure::off) {
    return fail(ErrorCode::usage, "--ledger off measures nothing that --trace could show; leave out one of the two");
  }
  if (store->count() != 0 && options.store.empty()) {
    return fail(ErrorCode::usage, "--store names no file (an empty variable?); give one, or --no-store");
  }
  if (options.no_store && (store->count() != 0 || options.resumes())) {
    return fail(ErrorCode::usage, "--no-store leaves nothing to record in or to resume from; leave out one of the two");
  }
  if (retry_failed->count() != 0 && only_quarantined->count() != 0) {
    return fail(ErrorCode::usage,
                "--only-quarantined runs nothing but quarantined jobs, and --retry-failed runs all that failed, those "
                "included; leave out one of the two");
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

// "1,2,4" in its parts.
std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(',', begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

const std::vector<CompareOptions::Model>& comparable_models() {
  static const std::vector<CompareOptions::Model> all{{"serial", Mode::serial, {}},
                                                      {"threads", Mode::threads, {}},
                                                      {"async", Mode::async, {}},
                                                      {"processes/shm", Mode::processes, master::Transport::shm},
                                                      {"processes/pipe", Mode::processes, master::Transport::pipe}};
  return all;
}

const CompareOptions::Model* model_called(const std::string& name) {
  const auto& all = comparable_models();
  const auto found = std::find_if(all.begin(), all.end(), [&](const CompareOptions::Model& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string check_models(const std::string& text) {
  std::vector<std::string_view> known;
  for (const CompareOptions::Model& model : comparable_models()) known.push_back(model.name);
  for (const std::string& part : parts_of(text)) {
    if (model_called(part) != nullptr) continue;
    const std::string_view near = near_miss(part, known);
    return fmt::format("`{}` is none of {}{}", part, fmt::join(known, ", "),
                       near.empty() ? "" : fmt::format("; did you mean `{}`?", near));
  }
  return {};
}

std::string check_proc_list(const std::string& text) {
  for (const std::string& part : parts_of(text)) {
    if (std::string wrong = check_procs(part); !wrong.empty()) return wrong;
  }
  return {};
}

std::string check_sweep(const std::string& text) {
  const Result<Duration> length = parse_duration(text);
  return length ? std::string() : length.error().text;
}

Result<Command> parse_compare(const std::vector<std::string>& arguments) {
  CompareOptions options;
  options.models = comparable_models();
  CLI::App app(
      "Runs one batch under several models, again and again and in turn, and says which\n"
      "is faster, by how much, and why. Results of all models must be the same.");
  shape(app, "\nUSAGE\n  runner compare [OPTIONS] jobs.yaml\n");
  app.add_option("FILE", options.file, "The batch file")->option_text(" ");
  const auto take_models = [&](const std::string& text) {
    options.models.clear();
    for (const std::string& part : parts_of(text)) options.models.push_back(*model_called(part));
  };
  app.add_option_function<std::string>("-m,--modes", take_models,
                                       "Default: serial,threads,async,processes/shm,\nprocesses/pipe")
      ->option_text("LIST")
      ->check(CLI::Validator(check_models, ""));
  const auto take_procs = [&](const std::string& text) {
    options.procs.clear();
    for (const std::string& part : parts_of(text)) options.procs.push_back(static_cast<std::uint32_t>(std::stoul(part)));
  };
  app.add_option_function<std::string>("-p,--procs", take_procs, "Jobs at a time, as in 1,2,4,8\n(default: the usable CPUs)")
      ->option_text("LIST")
      ->check(CLI::Validator(check_proc_list, ""));
  app.add_option("--repeat", options.repeat, "Runs of each that count, after one that does not\n(default: 5)")
      ->option_text("N")
      ->check(CLI::Range(1, 1000));
  const auto take_sweep = [&](const std::string& text) { options.sweep = parse_duration(text).value(); };
  app.add_option_function<std::string>("--sweep", take_sweep,
                                       "How long job lengths are tried out, for\nbreak-even and METG (default: 10s; 0s: not)")
      ->option_text("DURATION")
      ->check(CLI::Validator(check_sweep, ""));
  const CLI::Option* json =
      app.add_option("--json", options.json, "Write all figures as one JSON document")->option_text("FILE");
  const CLI::Option* report =
      app.add_option("--report", options.report, "Write a page, to be opened in a browser")->option_text("FILE.html");
  add_plugins(app, options.plugins);
  const Result<std::optional<ShowText>> parsed = parse(app, arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  if (options.file.empty()) return no_file("compare ");
  if (options.file == "-") {
    return fail(ErrorCode::usage, "compare runs a batch many times, and standard input can be read once; give a file");
  }
  if (json->count() != 0 && options.json.empty()) {
    return fail(ErrorCode::usage, "--json names no file (an empty variable?); give one, or leave it out");
  }
  if (report->count() != 0 && options.report.empty()) {
    return fail(ErrorCode::usage, "--report names no file (an empty variable?); give one, or leave it out");
  }
  return options;
}

// "8" is bytes, as the name of the option says; "64KiB" is a size as everywhere else.
Result<std::size_t> payload_size(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  const Result<Bytes> size = parse_size(digits ? text + "B" : text);
  if (!size) return tl::unexpected(size.error());
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  if (size->count < 8 || size->count % 8 != 0 || size->count > most) {
    return fail(ErrorCode::usage, fmt::format("`{}` cannot be measured: a size is a multiple of 8 from 8 to 1GiB", text));
  }
  return static_cast<std::size_t>(size->count);
}

// "8,64KiB", or "8..64MiB": both ends, and what lies between by factors of 8.
Result<std::vector<std::size_t>> payload_sizes(const std::string& text) {
  std::vector<std::size_t> sizes;
  for (const std::string& part : parts_of(text)) {
    const std::size_t dots = part.find("..");
    const Result<std::size_t> first = payload_size(part.substr(0, dots));
    if (!first) return tl::unexpected(first.error());
    sizes.push_back(*first);
    if (dots == std::string::npos) continue;
    const Result<std::size_t> last = payload_size(part.substr(dots + 2));
    if (!last) return tl::unexpected(last.error());
    if (*last < *first) {
      return fail(ErrorCode::usage, fmt::format("`{}` ends before it begins; write the smaller size first", part));
    }
    while (sizes.back() < *last) sizes.push_back(std::min(*last, sizes.back() * 8));
  }
  return sizes;
}

Result<Command> parse_bench(const std::vector<std::string>& arguments) {
  if (arguments.empty() || (arguments.front() != "ipc" && !arguments.front().starts_with("-"))) {
    return fail(ErrorCode::usage, arguments.empty()
                                      ? "bench what? There is `runner bench ipc`"
                                      : fmt::format("there is no bench `{}`, only `runner bench ipc`", arguments.front()));
  }
  BenchIpcOptions options;
  CLI::App app(
      "What the ways for processes to talk cost, side by side in one run: the limit, our\n"
      "channel, pipe, Unix socket, POSIX mq, Boost message_queue, futex, eventfd. Round\n"
      "trips and streams, on the same core and another. About a minute.");
  shape(app, "\nUSAGE\n  runner bench ipc [OPTIONS]\n");
  const auto take_sizes = [&](const std::string& text) { options.sizes = payload_sizes(text).value(); };
  const auto check_sizes = [](const std::string& text) {
    const Result<std::vector<std::size_t>> sizes = payload_sizes(text);
    return sizes ? std::string() : sizes.error().text;
  };
  app.add_option_function<std::string>("--sizes", take_sizes, "Payloads, as in 8,1KiB or 8..64MiB (by factors\nof 8)")
      ->option_text("LIST")
      ->check(CLI::Validator(check_sizes, ""));
  app.add_flag("--quick", options.quick, "Fewer sizes, shorter batches");
  const CLI::Option* json =
      app.add_option("--json", options.json, "Write all figures as one JSON document")->option_text("FILE");
  const CLI::Option* report =
      app.add_option("--report", options.report, "Write a page, to be opened in a browser")->option_text("FILE.html");
  const bool named = arguments.front() == "ipc";
  const Result<std::optional<ShowText>> parsed =
      parse(app, std::vector<std::string>(arguments.begin() + (named ? 1 : 0), arguments.end()));
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  if (!named) return fail(ErrorCode::usage, "bench what? There is `runner bench ipc`");
  if (json->count() != 0 && options.json.empty()) {
    return fail(ErrorCode::usage, "--json names no file (an empty variable?); give one, or leave it out");
  }
  if (report->count() != 0 && options.report.empty()) {
    return fail(ErrorCode::usage, "--report names no file (an empty variable?); give one, or leave it out");
  }
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

// The commands that read a run store: the same, and `--store` behind their own options.
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

}  // namespace

Result<Command> parse_arguments(const std::vector<std::string>& arguments) {
  const std::string first = arguments.empty() ? std::string() : arguments.front();
  const std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (first == "check") return parse_check(rest);
  if (first == "compare") return parse_compare(rest);
  if (first == "bench") return parse_bench(rest);
  if (first == "explain") return parse_explain(rest);
  if (first == "doctor") return parse_doctor(rest);
  if (first == "kinds") return parse_kinds(rest);
  if (first == "runs") return parse_runs(rest);
  if (first == "show") return parse_show(rest);
  if (first == "export") return parse_export(rest);
  if (first == "replay") return parse_replay(rest);
  if (first == "run") return parse_run(rest);
  if (first == "exec") return parse_run(rest, true);
  if (first == "--version" || first == "-V") return ShowText{"runner " RUNNER_VERSION_STRING "\n"};
  if (first == "help") return parse_run({"--help"});
  return parse_run(arguments);
}

}  // namespace runner::cli
