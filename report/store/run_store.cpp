#include "report/store/run_store.hpp"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include <runner/version.hpp>
#include "report/costs_json.hpp"
#include "report/store/content_key.hpp"

namespace runner::report {

namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Result<void> RunStore::started(const master::RunInfo& info) {
  Result<void> begun = begin(info);
  if (begun || sitting_.required) return begun;
  notice_(begun.error().text + "; this run goes on without it");
  return {};
}

Result<void> RunStore::begin(const master::RunInfo& info) {
  Result<LockedStore> store =
      sitting_.store ? Result<LockedStore>(*std::exchange(sitting_.store, {})) : LockedStore::open(sitting_.path);
  if (!store) return tl::unexpected(store.error());
  Database& database = store->database;
  std::int64_t run = sitting_.run.value_or(0);
  const bool resumed = sitting_.run.has_value();
  Result<Statement> statement =
      database.prepare(resumed ? "UPDATE runs SET file=?,folder=?,plugins=?,version=?,mode=?,engine=?,procs=?,jobs=?,"
                                 "sittings=sittings+1,ended_ns=NULL,interrupted=0 WHERE run=?"
                               : "INSERT INTO runs(file,folder,plugins,version,mode,engine,procs,jobs,batch,started_ns) "
                                 "VALUES(?,?,?,?,?,?,?,?,?,?)");
  if (!statement) return tl::unexpected(statement.error());
  std::error_code unknown;
  const std::string folder = std::filesystem::current_path(unknown).string();
  std::string plugins;
  for (const std::string& plugin : sitting_.plugins) plugins += (plugins.empty() ? "" : "\n") + plugin;
  statement->text(1, sitting_.batch_file);
  statement->text(2, folder);
  statement->text(3, plugins);
  statement->text(4, RUNNER_VERSION_STRING);
  statement->text(5, info.mode);
  statement->text(6, info.engine);
  statement->bind(7, std::int64_t{info.procs});
  statement->bind(8, sitting_.jobs ? std::optional(static_cast<std::int64_t>(*sitting_.jobs)) : std::nullopt);
  if (resumed) {
    statement->bind(9, run);
  } else {
    statement->text(9, info.batch);
    statement->bind(10, now_ns());
  }
  if (Result<void> put = statement->run(); !put) return put;
  if (!resumed) run = database.last_row();
  // A statement goes before its database.
  {
    const Statement done = std::move(*statement);
  }
  Result<std::unique_ptr<StoreWriter>> writer =
      StoreWriter::start(std::move(store->lock), std::move(store->database), run, sitting_.recorded);
  if (!writer) return tl::unexpected(writer.error());
  writer_ = std::move(*writer);
  return {};
}

Result<void> RunStore::starting(const JobSpec& job) {
  if (writer_) inputs_[number(job.id)] = inputs_now(job);
  return {};
}

Result<void> RunStore::add(OutcomeRow& row, const JobSpec& job, Attempt attempt, const master::AttemptCosts& costs) {
  content_of(job, content_);
  row.content = content_;
  row.fixed.attempt = number(attempt);
  if (sitting_.threads) row.fixed.threads = row.fixed.cpus * std::int64_t{*sitting_.threads};
  if (!sitting_.attempts.empty()) {
    const auto before = sitting_.attempts.find(number(job.id));
    if (before != sitting_.attempts.end()) row.fixed.attempt += before->second;
  }
  row.fixed.started_ns = now_ns() - row.fixed.wall_ns;
  costs_.clear();
  if (costs.sampled != 0) append_costs(costs_, costs);
  row.costs = costs_;
  return writer_->add(row);
}

Result<void> RunStore::ended(const master::JobRecord& record) {
  if (!writer_) return {};
  OutcomeRow row = row_of(record.job, record.outcome, left_behind_);
  row.fixed.over = true;
  if (record.worker) row.fixed.worker = number(*record.worker);
  if (!row.fixed.is_command && succeeded(record.outcome)) {
    const Result<std::string_view> result = results_.of(record);
    if (!result) return tl::unexpected(result.error());
    row.result = *result;
    row.fixed.has_result = true;
  }
  if (!record.job.inputs.empty()) {
    const auto found = inputs_.find(number(record.job.id));
    if (found != inputs_.end()) {
      row.fixed.inputs = static_cast<std::int64_t>(found->second);
      inputs_.erase(found);
    }
  }
  return add(row, record.job, record.attempts, record.costs);
}

Result<void> RunStore::retried(const master::RetryRecord& record) {
  if (!writer_) return {};
  OutcomeRow row = row_of(record.job, record.outcome, left_behind_);
  return add(row, record.job, record.attempt, record.costs);
}

// What it holds is with its own thread, which needs no asking.
Result<void> RunStore::flush() { return writer_ ? writer_->trouble() : Result<void>(); }

Result<void> RunStore::finished(const master::RunTotals& totals) {
  if (!writer_) return {};
  costs_.clear();
  if (totals.costs.kept) append_costs(costs_, totals.costs);
  const Result<void> finished = writer_->finish(now_ns(), totals.wall.count(), totals.interrupted, totals.offered, costs_);
  writer_.reset();
  return finished;
}

void RunStore::salvage() noexcept {
  if (writer_) writer_->settle();
}

}  // namespace runner::report
