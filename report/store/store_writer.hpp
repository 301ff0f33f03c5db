// store_writer.hpp - the one thread that writes a store: commits all it has as soon as the commit before is through.
//
// It never waits for a batch to fill, so what is lost with a killed program is what came in the last milliseconds; and it never
// commits for less than there is, so a flood of outcomes shares commits.
//
// Called from  the loop's thread. settle(): also from a dying program, on any thread.
// Owns         the thread, the connection, the lock, and what waits: at most kMostWaiting bytes, beyond which add() blocks.
// Fails with   unwritable: at the first call after a commit failed. What was committed before is safe; nothing more is written.
// Call order   start add* finish
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "master/sink.hpp"
#include "report/store/database.hpp"
#include "report/store/outcome_row.hpp"
#include "report/store/store_lock.hpp"

namespace runner::report {

class StoreWriter {
 public:
  static constexpr std::size_t kMostWaiting = std::size_t{2} << 20;

  // `recorded`: what the run has to begin with.
  [[nodiscard]] static Result<std::unique_ptr<StoreWriter>> start(StoreLock lock, Database database, std::int64_t run,
                                                                  const master::Counts& recorded);
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  [[nodiscard]] Result<void> add(const OutcomeRow& row);
  [[nodiscard]] Result<void> trouble();
  // Waits until everything is committed, a second at most. Async-signal-safe.
  void settle() const noexcept;
  // Everything is committed, and the run is over. `jobs`: how many there were, should the run not have known at its start.
  [[nodiscard]] Result<void> finish(std::int64_t ended_ns, std::int64_t wall_ns, bool interrupted,
                                    std::optional<std::uint64_t> jobs, const std::string& costs);
  // How many jobs have an outcome in the store.
  [[nodiscard]] std::uint64_t committed() const { return committed_.load(std::memory_order_relaxed); }

 private:
  struct Statements {
    Statement begin, commit, rollback, job, attempt, counts;
  };
  StoreWriter(StoreLock lock, Database database, Statements statements, std::int64_t run, const master::Counts& recorded,
              Duration before);
  void work();
  [[nodiscard]] Result<void> commit(std::string_view rows);
  [[nodiscard]] Result<void> put(std::string_view rows);
  [[nodiscard]] Result<void> put_counts();

  StoreLock lock_;  // let go after the database is closed
  Database database_;
  Statements statements_;
  std::int64_t run_;
  master::Counts counts_;  // the writer's

  std::mutex mutex_;
  std::condition_variable more_, room_;
  std::string waiting_;           // guarded by mutex_
  bool asleep_ = false;           // guarded by mutex_
  bool last_ = false;             // guarded by mutex_
  std::optional<Error> trouble_;  // guarded by mutex_
  std::atomic<bool> failed_{false};
  std::atomic<std::uint64_t> added_{0}, written_{0};  // rows
  std::atomic<std::uint64_t> committed_{0};           // jobs
  const Duration before_;                             // that earlier starts of the run have taken
  const TimePoint began_;
  std::thread thread_;
};

}  // namespace runner::report
