// report_file.hpp - --report FILE of a run: what is needed for the page (page.hpp) is gathered in constant memory, and written when
// the run is over.
//
// Called from  the run loop's thread; salvage() also from a dying program, and from one that gives up.
// Owns         the file, which is made before anything runs; a sample of the attempts, the first failures.
// Fails with   usage: the file cannot be made. unwritable: it cannot be written.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "master/histogram.hpp"
#include "master/sink.hpp"
#include "report/output_file.hpp"
#include "report/thinned.hpp"

namespace runner::report {

class ReportFile final : public master::Sink {
 public:
  // More boxes than a screen has room for tell nobody more; a page of so many is below 2 MB.
  static constexpr std::size_t kMostAttempts = 8'000, kMostFailures = 500;

  // The summary in words; what to type to run a job again, or nothing. `command_line`: of this process, as a shell reads it.
  using Summary = std::function<std::string(const master::RunTotals&)>;
  using Replay = std::function<std::string(std::string_view job)>;
  [[nodiscard]] static Result<std::unique_ptr<ReportFile>> open(const std::string& path, Summary summary,
                                                                std::string command_line);
  void replays(Replay line) { replay_ = std::move(line); }

  [[nodiscard]] Result<void> started(const master::RunInfo& info) override;
  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override;
  [[nodiscard]] Result<void> retried(const master::RetryRecord& record) override;
  [[nodiscard]] Result<void> finished(const master::RunTotals& totals) override;

  // A page that says why there is no other.
  void salvage() noexcept override;

  [[nodiscard]] nlohmann::ordered_json document(const master::RunTotals& totals) const;

 private:
  struct Attempt {
    std::uint32_t worker;
    TimePoint entered;
    Duration took;
    std::string_view status;  // a literal
    std::string job;
  };
  ReportFile(OutputFile file, Summary summary, std::string command_line)
      : file_(std::move(file)), summary_(std::move(summary)), command_line_(std::move(command_line)) {}
  void note(const JobSpec& job, const Outcome& outcome, std::optional<WorkerId> worker, const master::AttemptCosts& costs);

  OutputFile file_;
  Summary summary_;
  std::string command_line_;
  Replay replay_;
  std::string batch_;
  TimePoint began_{};
  Thinned<Attempt> attempts_{kMostAttempts};
  master::Histogram took_;  // all of them
  std::vector<nlohmann::ordered_json> failures_,
      allowed_;  // the first of those that were not allowed to fail, and of those that were
  std::uint64_t failed_ = 0;
  bool over_ = true;  // nothing to salvage: not begun, or written
};

}  // namespace runner::report
