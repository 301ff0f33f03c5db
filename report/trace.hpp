// trace.hpp - --trace FILE: the run on a timeline, in the Chrome Trace Event format, which Perfetto and chrome://tracing open.
//
// One process; a lane for the master and one per worker (trace_events.hpp), how many jobs ran and were queued, and the bytes that were
// sent and received.
//
// Called from  the run loop's thread; salvage() also from a dying program, and from one that gives up.
// Owns         the file, which is made before anything runs and written once, when it is over; a bounded number of attempts.
// Fails with   usage: the file cannot be made. unwritable: it cannot be written.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "master/sink.hpp"
#include "report/load_profile.hpp"
#include "report/output_file.hpp"
#include "report/thinned.hpp"
#include "report/trace_events.hpp"

namespace runner::report {

class Trace final : public master::Sink {
 public:
  // Of those that have all their stamps, and again of others: thinned together, one in 64 of these and every 32nd of all would
  // meet always or never. With and without, an attempt is about 1.3 and 0.7 kB of text: 80 MB, which browsers still open, and up to
  // 30 MB of memory until then.
  static constexpr std::size_t kMostAttempts = 40'000;
  // Longer names are cut: a batch may have a file's whole line in each.
  static constexpr std::size_t kMostOfName = 200;

  // How often it is looked how many bytes went to and fro.
  static constexpr Duration kTrafficInterval = std::chrono::milliseconds(10);

  // `notice` is told, in one line, that attempts were left out, or that there were none.
  using Notice = std::function<void(const std::string& text)>;
  [[nodiscard]] static Result<std::unique_ptr<Trace>> open(const std::string& path, Notice notice,
                                                           std::size_t most = kMostAttempts);

  [[nodiscard]] Result<void> started(const master::RunInfo& info) override;
  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override;
  [[nodiscard]] Result<void> retried(const master::RetryRecord& record) override;
  [[nodiscard]] Result<void> worker_lost(const master::WorkerLost& lost) override;
  [[nodiscard]] std::optional<Duration> tick_interval() const override { return kTrafficInterval; }
  [[nodiscard]] Result<void> tick(const master::Snapshot& snapshot) override;
  [[nodiscard]] Result<void> finished(const master::RunTotals& totals) override;
  // What ended so far, in a file that is whole: without arrows, marks and what the master did, and it says so.
  void salvage() noexcept override;

 private:
  struct Death {
    WorkerId worker{};
    std::string how;
    Duration at{};
  };
  // All that there were up to then.
  struct Traffic {
    Duration at{};
    std::uint64_t sent = 0, received = 0;
  };
  Trace(OutputFile file, std::string path, Notice notice, std::size_t most)
      : file_(std::move(file)),
        path_(std::move(path)),
        notice_(std::move(notice)),
        stamped_(most),
        others_(most),
        deaths_(most) {}
  void take(const JobSpec& job, const Outcome& outcome, Attempt attempt, std::optional<WorkerId> worker,
            const master::AttemptCosts& costs, bool retried);
  [[nodiscard]] Duration since_begin() const;
  [[nodiscard]] Result<void> write(const TraceEvent& event);
  [[nodiscard]] Result<void> write_all(const std::vector<TraceEvent>& events);
  [[nodiscard]] Result<void> begin();
  [[nodiscard]] std::string& next();
  [[nodiscard]] Result<void> end_event();
  [[nodiscard]] Result<void> write_load(std::string_view name, const LoadProfile& load);
  [[nodiscard]] Result<void> write_traffic(const Traffic& at_the_end);
  void append_about(std::string_view incomplete);

  OutputFile file_;
  std::string path_;
  Notice notice_;
  Thinned<TracedAttempt> stamped_, others_;
  Thinned<Death> deaths_;
  LoadProfile running_, queued_;
  Thinned<Traffic> traffic_{LoadProfile::kParts};
  std::string batch_, mode_, engine_;
  std::uint32_t procs_ = 0;
  TimePoint began_{};
  bool first_ = true;  // no comma yet
  bool salvaging_ = false;
  bool over_ = true;  // nothing to salvage: not begun, or written
};

}  // namespace runner::report
