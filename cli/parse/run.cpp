#include <runner/units.hpp>
#include "cli/parse/exec_arguments.hpp"
#include "cli/parse/grammar.hpp"
#include "cli/parse/parsers.hpp"
#include "master/free_memory.hpp"

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

}  // namespace

Result<Command> parse_run(const std::vector<std::string>& arguments, bool exec) {
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

}  // namespace runner::cli
