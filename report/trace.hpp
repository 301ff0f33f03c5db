// trace.hpp - --trace FILE: the run on a timeline, in the Chrome Trace Event format, which Perfetto and chrome://tracing open.
//
// One process; a lane for the master and one per worker (trace_events.hpp), and how many jobs ran and were queued.
//
// Called from  the run loop's thread.
// Owns         the file, which is made before anything runs and written once, when it is over; a bounded number of attempts.
// Fails with   usage: the file cannot be made. unwritable: it cannot be written.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
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

  // `notice` is told, in one line, that attempts were left out.
  using Notice = std::function<void(const std::string& text)>;
  [[nodiscard]] static Result<std::unique_ptr<Trace>> open(const std::string& path, Notice notice,
                                                           std::size_t most = kMostAttempts);

  [[nodiscard]] Result<void> started(const master::RunInfo& info) override;
  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override;
  [[nodiscard]] Result<void> retried(const master::RetryRecord& record) override;
  [[nodiscard]] Result<void> worker_lost(const master::WorkerLost& lost) override;
  [[nodiscard]] Result<void> finished(const master::RunTotals& totals) override;

 private:
  struct Death {
    WorkerId worker{};
    std::string how;
    Duration at{};
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
  [[nodiscard]] Result<void> write_lanes();
  [[nodiscard]] Result<void> write_load(std::string_view name, const LoadProfile& load);

  OutputFile file_;
  std::string path_;
  Notice notice_;
  Thinned<TracedAttempt> stamped_, others_;
  Thinned<Death> deaths_;
  LoadProfile running_, queued_;
  std::string batch_;
  std::uint32_t procs_ = 0;
  TimePoint began_{};
  bool first_ = true;  // no comma yet
};

}  // namespace runner::report
