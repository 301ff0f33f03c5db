#include "report/store/store_writer.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include <array>
#include <system_error>
#include <utility>

#include <runner/outcome.hpp>
#include "ipc/still_thread.hpp"
#include "report/store/content_key.hpp"
#include "report/store/schema.hpp"

namespace runner::report {

namespace {

constexpr std::array<std::string_view, 6> kWords{"ok", "failed", "crashed", "timed_out", "cancelled", "out_of_memory"};

std::uint64_t& count_of(master::Counts& counts, std::size_t ending) {
  const std::array<std::uint64_t*, 6> all{&counts.ok,        &counts.failed,    &counts.crashed,
                                          &counts.timed_out, &counts.cancelled, &counts.out_of_memory};
  return *all[ending];
}

std::optional<std::int64_t> maybe(std::int64_t value) {
  if (value == OutcomeRow::kNone) return std::nullopt;
  return value;
}

void text_or_null(Statement& statement, int at, std::string_view text) {
  text.empty() ? statement.null(at) : statement.text(at, text);
}

// The columns of kOutcomeColumns.
void bind_outcome(Statement& statement, int at, const OutcomeRow& row) {
  const OutcomeRow::Fixed& fixed = row.fixed;
  statement.text(at++, kWords[fixed.ending]);
  statement.bind(at++, std::int64_t{fixed.quarantined});
  statement.bind(at++, maybe(fixed.worker));
  statement.bind(at++, fixed.started_ns);
  statement.bind(at++, fixed.wall_ns);
  statement.bind(at++, fixed.cpu_ns);
  statement.bind(at++, maybe(fixed.exit_code));
  statement.bind(at++, maybe(fixed.signal));
  statement.bind(at++, maybe(fixed.limit_ns));
  statement.bind(at++, maybe(fixed.peak_memory));
  text_or_null(statement, at++, row.reason);
  text_or_null(statement, at++, row.core);
  text_or_null(statement, at++, row.left_behind);
  text_or_null(statement, at++, row.costs);
  fixed.has_result ? statement.text(at, row.result) : statement.null(at);
  ++at;
  statement.bind(at++, fixed.out_bytes);
  statement.bind(at++, fixed.err_bytes);
  for (const std::string_view stream : {row.out, row.err}) {
    fixed.is_command ? statement.blob(at, std::as_bytes(std::span(stream))) : statement.null(at);
    ++at;
  }
}

// "?,?,?" for so many columns.
std::string places(int count) {
  std::string text = "?";
  for (int i = 1; i < count; ++i) text += ",?";
  return text;
}

}  // namespace

StoreWriter::StoreWriter(StoreLock lock, Database database, Statements statements, std::int64_t run,
                         const master::Counts& recorded, Duration before)
    : lock_(std::move(lock)),
      database_(std::move(database)),
      statements_(std::move(statements)),
      run_(run),
      counts_(recorded),
      committed_(recorded.done()),
      before_(before),
      began_(std::chrono::steady_clock::now()) {}

Result<std::unique_ptr<StoreWriter>> StoreWriter::start(StoreLock lock, Database database, std::int64_t run,
                                                        const master::Counts& recorded) {
  const std::string job = fmt::format(
      "INSERT OR REPLACE INTO "
      "jobs(run,job,content,inputs,name,kind,allow_failure,attempts,work,timeout_ns,kill_after_ns,memory,cpus,threads,{}) "
      "VALUES({},{})",
      kOutcomeColumns, run, places(13 + kOutcomeColumnCount));
  const std::string attempt = fmt::format("INSERT OR REPLACE INTO attempts(run,job,attempt,{}) VALUES({},{})", kOutcomeColumns,
                                          run, places(2 + kOutcomeColumnCount));
  const std::string counts = fmt::format(
      "UPDATE runs SET ok=?,failed=?,crashed=?,timed_out=?,cancelled=?,out_of_memory=?,allowed=?,wall_ns=? WHERE run={}", run);
  const Result<std::int64_t> wall_ns = database.number(fmt::format("SELECT wall_ns FROM runs WHERE run={}", run));
  if (!wall_ns) return tl::unexpected(wall_ns.error());
  std::vector<Statement> made;
  for (const std::string_view sql :
       {std::string_view("BEGIN IMMEDIATE"), std::string_view("COMMIT"), std::string_view("ROLLBACK"), std::string_view(job),
        std::string_view(attempt), std::string_view(counts)}) {
    Result<Statement> statement = database.prepare(sql);
    if (!statement) return tl::unexpected(statement.error());
    made.push_back(std::move(*statement));
  }
  std::unique_ptr<StoreWriter> writer(new StoreWriter(std::move(lock), std::move(database),
                                                      Statements{std::move(made[0]), std::move(made[1]), std::move(made[2]),
                                                                 std::move(made[3]), std::move(made[4]), std::move(made[5])},
                                                      run, recorded, Duration(*wall_ns)));
  // Signals are for the loop's thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    writer->thread_ = std::thread([self = writer.get()] { self->work(); });
  } catch (const std::system_error& error) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return fail(ErrorCode::unwritable, fmt::format("the run store `{}` cannot be written: no thread for it: {}",
                                                   writer->database_.path(), error.code().message()));
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return writer;
}

StoreWriter::~StoreWriter() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    last_ = true;
  }
  more_.notify_one();
  thread_.join();
}

Result<void> StoreWriter::add(const OutcomeRow& row) {
  bool wake = false;
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return waiting_.size() < kMostWaiting || trouble_; });
    if (trouble_) return tl::unexpected(*trouble_);
    write_row(waiting_, row);
    added_.fetch_add(1, std::memory_order_relaxed);
    wake = std::exchange(asleep_, false);
  }
  if (wake) more_.notify_one();
  return {};
}

Result<void> StoreWriter::trouble() {
  if (!failed_.load(std::memory_order_relaxed)) return {};
  const std::lock_guard lock(mutex_);
  return tl::unexpected(*trouble_);
}

void StoreWriter::settle() const noexcept {
  for (int i = 0; i < 1000; ++i) {
    if (failed_.load(std::memory_order_relaxed)) return;
    if (written_.load(std::memory_order_acquire) >= added_.load(std::memory_order_relaxed)) return;
    const timespec millisecond{0, 1'000'000};
    ::nanosleep(&millisecond, nullptr);
  }
}

void StoreWriter::work() {
  ::prctl(PR_SET_NAME, "runner-store");
  const ipc::StillThread still;
  std::string rows;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      asleep_ = waiting_.empty() && !last_;
      more_.wait(lock, [&] { return !waiting_.empty() || last_; });
      asleep_ = false;
      if (waiting_.empty()) return;
      rows.clear();
      rows.swap(waiting_);
    }
    room_.notify_one();
    const Result<void> well = [&] {
      const ipc::StillThread::Piece piece;
      return commit(rows);
    }();
    const bool deleted = lock_.deleted();
    if (rows.capacity() > kMostWaiting) std::string().swap(rows);  // one large output need not stay
    if (well && !deleted) continue;
    {
      const std::lock_guard lock(mutex_);
      trouble_ =
          deleted
              ? Error{ErrorCode::unwritable, fmt::format("the run store `{}` was deleted during the run, and its "
                                                         "outcomes with it; run the batch again",
                                                         database_.path())}
              : Error{well.error().code,
                      fmt::format("{}; {} outcome{} of this run {} safe in it, and --resume runs the rest", well.error().text,
                                  committed(), committed() == 1 ? "" : "s", committed() == 1 ? "is" : "are")};
      failed_.store(true, std::memory_order_relaxed);
    }
    room_.notify_one();
    return;
  }
}

Result<void> StoreWriter::commit(std::string_view rows) {
  const master::Counts before = counts_;
  Result<void> well = statements_.begin.run();
  if (well) well = put(rows);
  if (well) well = put_counts();
  if (well) well = statements_.commit.run();
  if (!well) {
    counts_ = before;
    static_cast<void>(statements_.rollback.run());  // SQLite may have done so by itself
    return well;
  }
  committed_.store(counts_.done(), std::memory_order_relaxed);
  return well;
}

Result<void> StoreWriter::put(std::string_view rows) {
  std::uint64_t written = 0;
  for (; !rows.empty(); ++written) {
    const OutcomeRow row = read_row(rows);
    Statement& into = row.fixed.over ? statements_.job : statements_.attempt;
    ContentKey key;
    into.bind(1, row.fixed.job);
    if (row.fixed.over) {
      key = content_key(std::as_bytes(std::span(row.content)));
      into.blob(2, std::as_bytes(std::span(&key, 1)));
      into.bind(3, row.fixed.inputs);
      into.text(4, row.name);
      into.text(5, row.kind());
      into.bind(6, row.fixed.allow_failure ? 1 : 0);
      into.bind(7, row.fixed.attempt);
      into.blob(8, std::as_bytes(std::span(row.work())));
      into.bind(9, row.fixed.timeout_ns);
      into.bind(10, row.fixed.kill_after_ns);
      into.bind(11, row.fixed.memory);
      into.bind(12, row.fixed.cpus);
      into.bind(13, maybe(row.fixed.threads));
      bind_outcome(into, 14, row);
      ++count_of(counts_, row.fixed.ending);
      if (row.fixed.ending != 0 && row.fixed.allow_failure) ++counts_.allowed;
    } else {
      into.bind(2, row.fixed.attempt);
      bind_outcome(into, 3, row);
    }
    if (Result<void> put = into.run(); !put) return put;
  }
  written_.fetch_add(written, std::memory_order_release);
  return {};
}

Result<void> StoreWriter::put_counts() {
  Statement& update = statements_.counts;
  for (std::size_t ending = 0; ending < kWords.size(); ++ending) {
    update.bind(static_cast<int>(ending) + 1, static_cast<std::int64_t>(count_of(counts_, ending)));
  }
  update.bind(7, static_cast<std::int64_t>(counts_.allowed));
  // Should it be killed, it has taken as long as until now.
  update.bind(8, Duration(before_ + (std::chrono::steady_clock::now() - began_)).count());
  return update.run();
}

Result<void> StoreWriter::finish(std::int64_t ended_ns, std::int64_t wall_ns, bool interrupted,
                                 std::optional<std::uint64_t> jobs, const std::string& costs) {
  {
    const std::lock_guard lock(mutex_);
    last_ = true;
  }
  more_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (trouble_) return tl::unexpected(*trouble_);
  Result<Statement> update = database_.prepare(
      fmt::format("UPDATE runs SET ended_ns={}, wall_ns={}, interrupted={}, jobs=coalesce(jobs,{}), costs=? WHERE run={}",
                  ended_ns, before_.count() + wall_ns, interrupted ? 1 : 0, jobs ? std::to_string(*jobs) : "NULL", run_));
  if (!update) return tl::unexpected(update.error());
  text_or_null(*update, 1, costs);
  return update->run();
}

}  // namespace runner::report
