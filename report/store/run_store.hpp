// run_store.hpp - the run store as a sink: every outcome of a run, kept as it comes, so that the run can be resumed.
//
// Called from  the run loop's thread; salvage() also from a dying program.
// Owns         the store, and from started() on the writer and its thread: not earlier, so that processes may be forked at the
//              start.
// Fails with   unwritable. A store that nobody asked for by name is instead given up in started(), with a notice.
// Call order   as every sink
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "master/sink.hpp"
#include "report/result_text.hpp"
#include "report/store/locked_store.hpp"
#include "report/store/store_writer.hpp"

namespace runner::report {

// What the run that is recorded begins with.
struct Sitting {
  std::string path;                                                  // of the store
  std::optional<LockedStore> store;                                  // the same, where it was opened before
  bool required = false;                                             // asked for by name
  std::string batch_file;                                            // as given
  std::vector<std::string> plugins;                                  // of the batch
  std::optional<std::uint64_t> jobs;                                 // in the batch, whatever was done before
  std::optional<std::uint32_t> threads;                              // that a job may start for each of its `cpus`
  std::optional<std::int64_t> run;                                   // that is resumed; nothing: a new one
  master::Counts recorded;                                           // outcomes that it has
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> attempts;  // made before, of jobs that are run again
};

class RunStore final : public master::Sink {
 public:
  using Notice = std::function<void(const std::string&)>;
  RunStore(Sitting sitting, ResultText& results, Notice notice)
      : sitting_(std::move(sitting)), results_(results), notice_(std::move(notice)) {}

  [[nodiscard]] const std::string& path() const { return sitting_.path; }
  // False: it has not begun, or was given up.
  [[nodiscard]] bool records() const { return writer_ != nullptr; }

  [[nodiscard]] Result<void> started(const master::RunInfo& info) override;
  [[nodiscard]] Result<void> starting(const JobSpec& job) override;
  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override;
  [[nodiscard]] Result<void> retried(const master::RetryRecord& record) override;
  [[nodiscard]] Result<void> flush() override;
  [[nodiscard]] Result<void> finished(const master::RunTotals& totals) override;
  void salvage() noexcept override;

 private:
  [[nodiscard]] Result<void> begin(const master::RunInfo& info);
  [[nodiscard]] Result<void> add(OutcomeRow& row, const JobSpec& job, Attempt attempt, const master::AttemptCosts& costs);

  Sitting sitting_;
  ResultText& results_;
  Notice notice_;
  std::unique_ptr<StoreWriter> writer_;
  boost::unordered_flat_map<std::uint64_t, std::uint64_t> inputs_;  // of the jobs in flight, when they began
  std::string content_, left_behind_, costs_;                       // their memory is used again
};

}  // namespace runner::report
