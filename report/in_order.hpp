// in_order.hpp - --keep-order: tells one sink of every job in the order of the batch, whatever the order they ended in.
//
// A job that ended before an earlier one is kept as bytes: in memory up to a limit, beyond it in a file without a name; beside
// that, 24 bytes of memory each. After an interrupt some jobs never end: what there is comes out in order at finished().
// One sink each, so that one that fails takes nothing from another.
//
// Called from  the run loop's thread.
// Owns         what waits. The sink behind it is the caller's and must outlive it.
// Fails with   whatever the sink behind it fails with. When the temporary file cannot be used, order is given up and every
//              result passes at once; finished() then says so (unwritable).
// Never        gives `ended` more of the job than id, name, kind and allow_failure: arguments and commands are not kept.
//              salvage() saves what the sink behind was told of; those that wait() are lost with a dying program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "master/sink.hpp"
#include "report/output_file.hpp"

namespace runner::report {

class InOrder final : public master::Sink {
 public:
  static constexpr std::size_t kInMemory = std::size_t{64} << 20;

  explicit InOrder(master::Sink& behind, std::size_t in_memory = kInMemory) : behind_(behind), limit_(in_memory) {}

  // Jobs that had ended before this run: nobody waits for them.
  void skip(std::function<bool(JobId)> ended_before) { ended_before_ = std::move(ended_before); }

  [[nodiscard]] Result<void> started(const master::RunInfo& info) override { return behind_.started(info); }
  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override;
  [[nodiscard]] Result<void> retried(const master::RetryRecord& record) override { return behind_.retried(record); }
  [[nodiscard]] Result<void> worker_lost(const master::WorkerLost& lost) override { return behind_.worker_lost(lost); }
  [[nodiscard]] Result<void> worker_drifted(const master::WorkerDrifted& drifted) override {
    return behind_.worker_drifted(drifted);
  }
  [[nodiscard]] std::optional<Duration> tick_interval() const override { return behind_.tick_interval(); }
  [[nodiscard]] Result<void> tick(const master::Snapshot& snapshot) override { return behind_.tick(snapshot); }
  [[nodiscard]] Result<void> flush() override { return behind_.flush(); }
  [[nodiscard]] Result<void> finished(const master::RunTotals& totals) override;
  void salvage() noexcept override { behind_.salvage(); }

  // Tells of everything that waits, in order, over the gaps: when the jobs before will never end.
  [[nodiscard]] Result<void> release();
  // How many ended jobs the sink behind was not told of yet.
  [[nodiscard]] std::uint64_t waiting() const { return waiting_; }

 private:
  struct Kept {
    std::unique_ptr<std::byte[]> bytes;  // null: in the file
    std::uint64_t at = 0;                // there
    std::uint64_t size = 0;              // 0: has not ended
  };
  void pass_over();
  [[nodiscard]] Result<void> keep(const master::JobRecord& record);
  [[nodiscard]] Result<void> tell(Kept& kept, JobId job);
  [[nodiscard]] Result<std::uint64_t> put_aside(const Captured& captured);
  [[nodiscard]] Result<void> take_back(Captured& captured, std::uint64_t at);
  [[nodiscard]] Result<OutputFile*> file();

  master::Sink& behind_;
  std::size_t limit_, used_ = 0;
  std::uint64_t next_ = 0;  // the job that the sink behind waits for; kept_.front() is the place of it
  std::uint64_t waiting_ = 0;
  std::deque<Kept> kept_;
  std::optional<OutputFile> file_;
  std::function<bool(JobId)> ended_before_;  // empty: none
  std::optional<Error> trouble_;             // why order was given up
  std::vector<std::byte> scratch_;
};

}  // namespace runner::report
