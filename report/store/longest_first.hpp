// longest_first.hpp - the jobs that took longest when their batch ran last time start first, so that no long one runs alone at the end.
//
// List scheduling by longest processing time (R. L. Graham, "Bounds on multiprocessing timing anomalies", 1969): at most 4/3 of the
// best makespan, where any order gives at most twice. What differs by less than a factor of two counts as equal, and equals keep the
// order of the batch: times of yesterday are no better than that. So does what took less than kWorthIt.
//
// Called from  cli, before the engine opens; then the run loop.
// Owns         the numbers of at most kMost jobs.
// Fails with   unwritable (the store), or what the batch fails with.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <runner/batch.hpp>
#include "master/ended_before.hpp"
#include "report/store/database.hpp"

namespace runner::report {

inline constexpr Duration kWorthIt = std::chrono::milliseconds(10);
inline constexpr std::size_t kMostFirst = 10'000;

// The jobs of a batch that should start first, in that order, by what its newest run before `resumed` (none: the newest of all) has
// recorded; empty: nothing is known, or it would make no difference. Rewinds the batch.
[[nodiscard]] Result<std::vector<JobId>> longest_first(Database& store, const Batch& batch,
                                                       std::optional<std::int64_t> resumed);

// The same jobs, some of them first. Needs a source whose jobs can be had directly.
class FirstThese final : public JobSource {
 public:
  FirstThese(std::unique_ptr<JobSource> all, std::vector<JobId> first);
  [[nodiscard]] Result<bool> next(JobSpec& job) override;
  [[nodiscard]] bool rewind() override;
  [[nodiscard]] bool direct() const override { return all_->direct(); }
  [[nodiscard]] Result<void> at(JobId id, JobSpec& job) override { return all_->at(id, job); }
  [[nodiscard]] Result<std::optional<JobId>> find(std::string_view name) override { return all_->find(name); }
  [[nodiscard]] int awaited() override { return given_ < first_.size() ? -1 : all_->awaited(); }

 private:
  std::unique_ptr<JobSource> all_;
  std::vector<JobId> first_;
  boost::unordered_flat_set<std::uint64_t> among_them_;
  std::size_t given_ = 0;  // of first_
};

}  // namespace runner::report
