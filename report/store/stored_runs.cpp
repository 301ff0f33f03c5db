#include "report/store/stored_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <runner/wire.hpp>
#include "report/store/content_key.hpp"
#include "report/store/schema.hpp"

namespace runner::report {

namespace {

constexpr const char* kRunColumns =
    "run,batch,file,folder,plugins,version,mode,engine,procs,jobs,started_ns,ended_ns,interrupted,sittings,wall_ns,"
    "ok,failed,crashed,timed_out,cancelled,out_of_memory,allowed,costs";

std::uint64_t count_at(const Statement& row, int at) { return static_cast<std::uint64_t>(row.number(at)); }

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

StoredRun read_run(const Statement& row) {
  StoredRun run;
  run.number = row.number(0);
  run.batch = row.text(1);
  run.file = row.text(2);
  run.folder = row.text(3);
  run.plugins = lines_of(row.text(4));
  run.version = row.text(5);
  run.mode = row.text(6);
  run.engine = row.text(7);
  run.procs = static_cast<std::uint32_t>(row.number(8));
  if (!row.is_null(9)) run.jobs = count_at(row, 9);
  run.started_ns = row.number(10);
  run.ended_ns = row.maybe(11);
  run.interrupted = row.number(12) != 0;
  run.sittings = count_at(row, 13);
  run.wall = Duration(row.number(14));
  int at = 15;
  for (std::uint64_t* count : {&run.counts.ok, &run.counts.failed, &run.counts.crashed, &run.counts.timed_out,
                               &run.counts.cancelled, &run.counts.out_of_memory, &run.counts.allowed}) {
    *count = count_at(row, at++);
  }
  run.costs = row.text(at);
  return run;
}

// "job,name" -> "j.job,j.name"
std::string of_table(std::string_view table, std::string_view columns) {
  std::string text(table);
  for (const char c : columns) {
    text += c;
    if (c == ',') text += table;
  }
  return text;
}

// What next() reads. `number`: the column with the number of the attempt; `outcome`: the table that the others are of.
std::string columns(std::string_view number, std::string_view outcome) {
  return fmt::format(
      "j.job,j.name,j.kind,j.allow_failure,{},j.work,j.timeout_ns,j.kill_after_ns,j.memory,j.cpus,j.threads,{},"
      "EXISTS(SELECT 1 FROM attempts a WHERE {})",
      number, of_table(outcome, kOutcomeColumns), kPending);
}

Work work_of(std::string_view kind, std::string_view form, Duration kill_after, Bytes memory, std::uint32_t cpus) {
  if (kind != "command") return TypedWork{std::string(kind), std::string(form), memory, cpus};
  CommandWork command;
  try {
    command = command_of(std::as_bytes(std::span(form)));
  } catch (const WireError&) {
    command = {};  // of a damaged store: what else it says of the job is as good as ever
  }
  command.kill_after = kill_after;
  command.memory = memory;
  command.cpus = cpus;
  return command;
}

Ending ending_of(std::string_view status, std::string reason, int signal, Duration limit) {
  if (status == "ok") return Succeeded{};
  if (status == "failed") return Failed{std::move(reason)};
  if (status == "crashed") return Crashed{signal, std::move(reason)};
  if (status == "timed_out") return TimedOut{limit, std::move(reason)};
  if (status == "out_of_memory") return OutOfMemory{std::move(reason)};
  return Cancelled{std::move(reason)};
}

}  // namespace

Result<std::vector<StoredRun>> stored_runs(Database& store) {
  Result<Statement> rows = store.prepare(fmt::format("SELECT {} FROM runs ORDER BY run", kRunColumns));
  if (!rows) return tl::unexpected(rows.error());
  std::vector<StoredRun> runs;
  for (;;) {
    const Result<bool> row = rows->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return runs;
    runs.push_back(read_run(*rows));
  }
}

Result<std::optional<StoredRun>> stored_run(Database& store, std::optional<std::int64_t> number) {
  Result<Statement> rows =
      store.prepare(fmt::format("SELECT {} FROM runs WHERE run=coalesce(?,(SELECT max(run) FROM runs))", kRunColumns));
  if (!rows) return tl::unexpected(rows.error());
  rows->bind(1, number);
  const Result<bool> row = rows->step();
  if (!row) return tl::unexpected(row.error());
  return *row ? std::optional(read_run(*rows)) : std::nullopt;
}

Result<StoredJobs> StoredJobs::of_run(Database& store, std::int64_t run, Which which) {
  Result<Statement> rows =
      store.prepare(fmt::format("SELECT {} FROM jobs j WHERE j.run={} AND j.job>=0{} ORDER BY j.job",
                                columns("j.attempts", "j."), run, which == Which::not_ok ? " AND j.status<>'ok'" : ""));
  if (!rows) return tl::unexpected(rows.error());
  return StoredJobs(std::move(*rows));
}

Result<StoredJobs> StoredJobs::named(Database& store, std::int64_t run, std::string_view name) {
  Result<Statement> rows = store.prepare(
      fmt::format("SELECT {} FROM jobs j WHERE j.run={} AND j.job>=0 AND j.name=? LIMIT 1", columns("j.attempts", "j."), run));
  if (!rows) return tl::unexpected(rows.error());
  rows->text(1, name);
  return StoredJobs(std::move(*rows));
}

Result<StoredJobs> StoredJobs::earlier_attempts(Database& store, std::int64_t run, JobId job) {
  Result<Statement> rows =
      store.prepare(fmt::format("SELECT {} FROM attempts a JOIN jobs j USING(run,job) WHERE a.run={} AND a.job={} AND NOT "
                                "(a.attempt=j.attempts AND a.status=j.status) ORDER BY "
                                "a.attempt",
                                columns("a.attempt", "a."), run, number(job)));
  if (!rows) return tl::unexpected(rows.error());
  return StoredJobs(std::move(*rows));
}

Result<bool> StoredJobs::next(StoredJob& job) {
  Result<bool> row = rows_.step();
  if (!row || !*row) return row;
  const Statement& from = rows_;
  job.job.id = JobId{count_at(from, 0)};
  job.job.name = from.text(1);
  job.job.allow_failure = from.number(3) != 0;
  job.attempts = Attempt{static_cast<std::uint32_t>(from.number(4))};
  job.job.timeout = Duration(from.number(6));
  job.job.work = work_of(from.text(2), from.text(5), Duration(from.number(7)), Bytes{count_at(from, 8)},
                         static_cast<std::uint32_t>(std::max<std::int64_t>(1, from.number(9))));
  job.threads.reset();
  if (!from.is_null(10)) job.threads = static_cast<std::uint32_t>(from.number(10));
  constexpr int at = 11;  // kOutcomeColumns
  Outcome& outcome = job.outcome;
  outcome.quarantined = from.number(at + 1) != 0;
  job.worker.reset();
  if (!from.is_null(at + 2)) job.worker = WorkerId{static_cast<std::uint32_t>(from.number(at + 2))};
  job.started_ns = from.number(at + 3);
  outcome.wall = Duration(from.number(at + 4));
  outcome.cpu = Duration(from.number(at + 5));
  outcome.exit_code.reset();
  if (!from.is_null(at + 6)) outcome.exit_code = static_cast<int>(from.number(at + 6));
  outcome.ending = ending_of(from.text(at), std::string(from.text(at + 10)), static_cast<int>(from.number(at + 7)),
                             Duration(from.number(at + 8)));
  outcome.peak_memory.reset();
  if (!from.is_null(at + 9)) outcome.peak_memory = Bytes{count_at(from, at + 9)};
  outcome.core = from.text(at + 11);
  outcome.left_behind = lines_of(from.text(at + 12));
  job.costs = from.text(at + 13);
  job.result = from.text(at + 14);
  outcome.out.bytes = count_at(from, at + 15);
  outcome.err.bytes = count_at(from, at + 16);
  outcome.out.text = from.text(at + 17);
  outcome.err.text = from.text(at + 18);
  job.pending = from.number(at + 19) != 0;
  static_assert(kOutcomeColumnCount == 19, "this list and kOutcomeColumns belong together");
  return true;
}

}  // namespace runner::report
