#include "cli/stored_runs.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <functional>
#include <iterator>
#include <utility>

#include <runner/registry.hpp>
#include "cli/complain.hpp"
#include "cli/dry_run.hpp"
#include "cli/fact_page.hpp"
#include "cli/find_store.hpp"
#include "report/output_file.hpp"
#include "report/printable.hpp"
#include "report/result_record.hpp"
#include "report/store/schema.hpp"
#include "report/store/store_lock.hpp"
#include "report/verdict.hpp"

namespace runner::cli {

namespace {

using report::StoredJob;
using report::StoredJobs;
using report::StoredRun;

struct Source {
  report::Database& store;
  std::optional<pid_t> writer;  // a run that goes on
};

constexpr std::size_t kShown = 20;  // jobs that did not end well; lines of an output

std::string local_time(std::int64_t ns) {
  const std::time_t whole = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm parts{};
  ::localtime_r(&whole, &parts);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", parts);
}

std::string state_of(const StoredRun& run, const std::optional<pid_t>& writer, bool newest) {
  if (!run.ended_ns) return newest && writer ? fmt::format("running (process {})", *writer) : "killed";
  if (run.interrupted) return "interrupted";
  return !run.jobs || run.counts.done() < *run.jobs ? "stopped early" : "done";
}

std::string counts_of(const StoredRun& run) {
  const master::Counts& counts = run.counts;
  std::string text = run.jobs ? fmt::format("{} of {}", report::grouped(counts.done()), report::grouped(*run.jobs))
                              : report::grouped(counts.done());
  const auto tell = [&](std::uint64_t count, std::string_view what) {
    if (count != 0) text += fmt::format(" · {} {}", report::grouped(count), what);
  };
  tell(counts.ok, "ok");
  tell(counts.failed, "failed");
  tell(counts.crashed, "crashed");
  tell(counts.timed_out, "timed out");
  tell(counts.out_of_memory, "out of memory");
  tell(counts.cancelled, "cancelled");
  if (counts.allowed != 0) text += fmt::format(" ({} allowed to fail)", report::grouped(counts.allowed));
  return text;
}

// What a start that was killed has taken is known until its last outcome.
std::string took_of(const StoredRun& run) { return run.wall > Duration::zero() ? format_duration(run.wall) : "?"; }

void tell_stream(FactPage& page, std::string_view name, const Captured& stream) {
  if (stream.bytes == 0) return;
  const std::string_view lines = last_lines(stream, kShown);
  page.line(name, lines.size() == stream.bytes ? format_size(Bytes{stream.bytes})
                                               : fmt::format("{}, which end with", format_size(Bytes{stream.bytes})));
  std::string_view rest = lines;
  if (rest.ends_with('\n')) rest.remove_suffix(1);
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = rest.find('\n');
    page.plain("  | " + report::printable(rest.substr(0, end)));
    if (end != std::string_view::npos) rest.remove_prefix(end + 1);
  }
}

// Kinds of plug-ins that cannot be loaded any more are shown without their arguments.
void load_plugins(Registry& registry, const StoredRun& run) {
  for (const std::string& plugin : run.plugins) static_cast<void>(registry.load_plugin(plugin));
}

Result<std::string> run_page(const Source& from, const StoredRun& run, bool newest) {
  report::Database& store = from.store;
  FactPage page;
  page.line("run", fmt::format("{} of batch `{}`{}", run.number, run.batch, run.file.empty() ? "" : " (" + run.file + ")"));
  page.line("in", run.folder);
  page.line("state", state_of(run, from.writer, newest));
  page.line("started", local_time(run.started_ns));
  if (run.ended_ns) page.line("ended", local_time(*run.ended_ns));
  if (const std::string took = took_of(run); took != "?") {
    page.line("took", took + (run.sittings == 1 ? "" : fmt::format(" in {} starts", run.sittings)) +
                          (run.ended_ns ? "" : ", as far as is recorded"));
  }
  page.line("ran on", fmt::format("{}, runner {}", run.engine, run.version));
  page.line("jobs", counts_of(run));
  if (!run.costs.empty()) page.line("costs", run.costs);
  Result<StoredJobs> jobs = StoredJobs::of_run(store, run.number, StoredJobs::Which::not_ok);
  if (!jobs) return tl::unexpected(jobs.error());
  StoredJob job;
  std::size_t told = 0;
  for (;; ++told) {
    const Result<bool> more = jobs->next(job);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    if (told >= kShown) continue;
    page.line(told == 0 ? "not ok" : "",
              report::verdict(job.job.name, job.outcome, job.attempts) + (job.pending ? "; to run again" : ""));
  }
  if (told > kShown) page.line("", fmt::format("and {} more; `runner export {}` has all", told - kShown, run.number));
  return page.text();
}

Result<std::string> job_page(report::Database& store, const StoredRun& run, const StoredJob& job, bool newest) {
  Registry registry;
  load_plugins(registry, run);
  FactPage page;
  const Outcome& outcome = job.outcome;
  page.line("job", fmt::format("{} (number {} of run {})", job.job.name, number(job.job.id) + 1, run.number));
  page.line("outcome", describe(outcome) + (job.pending ? "; to run again" : ""));
  if (job.worker) {
    page.line("ran", fmt::format("on worker {}, from {} for {} ({} of CPU)", number(*job.worker), local_time(job.started_ns),
                                 format_duration(outcome.wall), format_duration(outcome.cpu)));
  } else if (number(job.attempts) == 0) {
    page.line("ran", "never");
  }
  if (job.job.allow_failure) page.line("may fail", "yes");
  if (number(job.attempts) > 1) page.line("attempts", std::to_string(number(job.attempts)));
  Result<StoredJobs> earlier = StoredJobs::earlier_attempts(store, run.number, job.job.id);
  if (!earlier) return tl::unexpected(earlier.error());
  for (StoredJob attempt;;) {
    const Result<bool> more = earlier->next(attempt);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    page.line("", fmt::format("{}: {}, after {}", number(attempt.attempts), describe(attempt.outcome),
                              format_duration(attempt.outcome.wall)));
  }
  if (outcome.exit_code) page.line("exit status", std::to_string(*outcome.exit_code));
  if (outcome.peak_memory) page.line("memory", "at most " + format_size(*outcome.peak_memory));
  if (!outcome.core.empty()) page.line("core", outcome.core);
  if (!outcome.left_behind.empty()) page.line("left behind", report::joined(outcome.left_behind));
  if (!job.costs.empty()) page.line("costs", job.costs);
  page.line("runs", in_words(job.job, registry));
  if (!job.result.empty()) page.line("result", job.result);
  tell_stream(page, "stdout", outcome.out);
  tell_stream(page, "stderr", outcome.err);
  page.line("replay", replay_line(store.path(), job.job.name, newest ? std::nullopt : std::optional(run.number)));
  return page.text();
}

std::optional<std::int64_t> as_number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

Result<std::string> shown_page(const Source& from, const ShowOptions& options) {
  report::Database& store = from.store;
  const Result<StoredRun> newest = find_run(store, std::nullopt);
  if (!newest) return tl::unexpected(newest.error());
  StoredRun run = *newest;
  std::vector<std::string> words = options.words;
  if (!words.empty()) {
    const std::optional<std::int64_t> number = as_number(words.front());
    const Result<std::optional<StoredRun>> named =
        number ? report::stored_run(store, number) : Result<std::optional<StoredRun>>(std::nullopt);
    if (!named) return tl::unexpected(named.error());
    if (*named) {
      run = **named;
      words.erase(words.begin());
    } else if (words.size() == 2) {  // RUN JOB
      if (number) return tl::unexpected(find_run(store, number).error());
      return fail(ErrorCode::usage, fmt::format("`{}` is no number of a run; `runner runs` lists them", words.front()));
    }
  }
  const bool is_newest = run.number == newest->number;
  if (words.empty()) return run_page(from, run, is_newest);
  const Result<StoredJob> job = find_job(store, run, words.front());
  if (!job) return tl::unexpected(job.error());
  return job_page(store, run, *job, is_newest);
}

Result<std::string> runs_table(const Source& from) {
  const Result<std::vector<StoredRun>> runs = report::stored_runs(from.store);
  if (!runs) return tl::unexpected(runs.error());
  if (runs->empty()) return fmt::format("no run is recorded in {} yet\n", report::printable(from.store.path()));
  std::size_t batches = 5, states = 5;
  for (const StoredRun& run : *runs) {
    batches = std::max(batches, report::columns_of(report::printable(run.batch)));
    states = std::max(states, state_of(run, from.writer, &run == &runs->back()).size());
  }
  std::string text = fmt::format("{:>4}  {:{}}  {:19}  {:>9}  {:{}}  {}\n", "RUN", "BATCH", batches, "STARTED", "TOOK", "STATE",
                                 states, "JOBS");
  for (const StoredRun& run : *runs) {
    std::string batch = report::printable(run.batch);
    batch.append(batches - report::columns_of(batch), ' ');
    fmt::format_to(std::back_inserter(text), "{:>4}  {}  {}  {:>9}  {:{}}  {}\n", run.number, batch, local_time(run.started_ns),
                   took_of(run), state_of(run, from.writer, &run == &runs->back()), states, counts_of(run));
  }
  return text;
}

// ---- export ----

constexpr std::string_view kJoblogHeader = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

// The columns of GNU parallel's --joblog. A job that was never started is not in it, as it is not there.
void append_joblog(std::string& out, const StoredJob& job, const Registry& registry) {
  if (number(job.attempts) == 0) return;
  const Outcome& outcome = job.outcome;
  int exit_value = 0, signal = 0;
  if (const auto* crashed = std::get_if<Crashed>(&outcome.ending)) signal = crashed->signal;
  if (outcome.exit_code) {
    exit_value = *outcome.exit_code;
  } else if (!succeeded(outcome) && signal == 0) {
    exit_value = std::holds_alternative<Failed>(outcome.ending) ? 1 : -1;
  }
  std::string command = bare_words(job.job, registry);
  std::replace(command.begin(), command.end(), '\n', ' ');
  std::replace(command.begin(), command.end(), '\t', ' ');
  fmt::format_to(std::back_inserter(out), "{}\t:\t{:.3f}\t{:10.3f}\t0\t{}\t{}\t{}\t{}\n", number(job.job.id) + 1,
                 static_cast<double>(job.started_ns) * 1e-9, seconds(outcome.wall), outcome.out.bytes, exit_value, signal,
                 command);
}

void append_record(std::string& out, const StoredJob& job, ExportFormat format) {
  const bool json = format == ExportFormat::jsonl;
  const master::JobRecord record{job.job, job.outcome, job.attempts, job.worker};
  report::ResultRecord told{record, {}, {}, {}, {}, {}, {}};
  told.costs = job.costs;
  std::string signal, error;
  if (std::holds_alternative<CommandWork>(job.job.work)) {
    told.out = report::shown_stream(job.outcome.out, json);
    told.err = report::shown_stream(job.outcome.err, json);
  } else if (succeeded(job.outcome)) {
    told.result = job.result;
  }
  if (!succeeded(job.outcome)) told.error = error = describe(job.outcome);
  if (const auto* crashed = std::get_if<Crashed>(&job.outcome.ending); crashed != nullptr && crashed->signal != 0) {
    told.signal = signal = signal_name(crashed->signal);
  }
  json ? report::append_json(out, told) : report::append_csv(out, told);
}

Result<void> put_jobs(report::Database& store, const ExportOptions& options, report::OutputFile& out) {
  const Result<StoredRun> run = find_run(store, options.run);
  if (!run) return tl::unexpected(run.error());
  Registry registry;
  load_plugins(registry, *run);
  Result<StoredJobs> jobs = StoredJobs::of_run(store, run->number, StoredJobs::Which::all);
  if (!jobs) return tl::unexpected(jobs.error());
  if (options.format == ExportFormat::csv) out.buffer() += report::kCsvHeader;
  if (options.format == ExportFormat::joblog) out.buffer() += kJoblogHeader;
  for (StoredJob job;;) {
    const Result<bool> more = jobs->next(job);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    options.format == ExportFormat::joblog ? append_joblog(out.buffer(), job, registry)
                                           : append_record(out.buffer(), job, options.format);
    if (Result<void> ended = out.end_record(); !ended) return ended;
  }
  if (Result<void> ended = out.end_record(); !ended) return ended;
  return out.flush();
}

// ---- all of them ----

int reading(const std::string& given, const std::function<Result<void>(const Source&, report::OutputFile&)>& put) {
  const Result<std::string> path = find_store(given);
  if (!path) {
    complain(path.error());
    return kNothingRan;
  }
  // Before SQLite opens the file: to close another descriptor of it would drop its locks.
  const std::optional<pid_t> writer = report::StoreLock::holder(*path);
  Result<report::Database> store = report::read_store(*path);
  if (!store) {
    complain(store.error());
    return kNothingRan;
  }
  report::OutputFile out(STDOUT_FILENO, "standard output");
  const Result<void> done = put({*store, writer}, out);
  if (done) return kAllWell;
  complain(done.error());
  return out.size() == 0 ? kNothingRan : kNotAllWell;
}

int reading_page(const std::string& given, const std::function<Result<std::string>(const Source&)>& page) {
  return reading(given, [&](const Source& from, report::OutputFile& out) -> Result<void> {
    const Result<std::string> text = page(from);
    if (!text) return tl::unexpected(text.error());
    out.buffer() += *text;
    if (Result<void> ended = out.end_record(); !ended) return ended;
    return out.flush();
  });
}

}  // namespace

int list_runs(const RunsOptions& options) { return reading_page(options.store, runs_table); }

int show_run(const ShowOptions& options) {
  return reading_page(options.store, [&](const Source& from) { return shown_page(from, options); });
}

int export_run(const ExportOptions& options) {
  return reading(options.store,
                 [&](const Source& from, report::OutputFile& out) { return put_jobs(from.store, options, out); });
}

}  // namespace runner::cli
