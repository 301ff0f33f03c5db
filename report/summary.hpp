// summary.hpp - what became of the run, on standard error when it is over: was it worth it?
//
//   2 000 jobs · 1 998 ok · 1 crashed (SIGSEGV) · 1 timed out · 12.4 s · 8 worker processes (shm, spawn, each bound to a core)
//   compute 97.1 s (96.8 s of CPU) · speed-up 7.8x · efficiency 98 %            (each worker with a core of its own)
//   compute 97.1 s (24.5 s of CPU) · 7.8 jobs at a time share 2 cores, 99 % busy (more workers than cores)
//   cost of processes  0.19 s, 0.2 % of 8 × 12.4 s:  start 48 ms (8 × 6.0 ms) · IPC 130 ms · idle at the end 20 ms
//   shared  hits = 4000 · total = -3                                            (counters, as the jobs left them)
//   quarantined, because each has killed as many workers as its crash_limit allows: pi-731
//   failed: pi-731: crashed: SIGSEGV; quarantined, after 0.21 s, 3rd attempt · replay: runner replay pi-731
//
// compute is the wall time spent in the jobs' own code, summed over all attempts; speed-up is compute / wall; efficiency is
// speed-up / procs. A cost is worker time that was no compute, of procs × wall in all; only what was measured is shown. All
// workers wait for the start, so it counts once for each.
//
// Called from  the run loop's thread.
// Owns         the first failures.
// Fails with   unwritable, when standard error is closed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "master/sink.hpp"
#include "report/console.hpp"

namespace runner::report {

class Summary final : public master::Sink {
 public:
  // `results_path`: where all failures can be looked up; empty: nowhere.
  explicit Summary(Console& console, std::string results_path = {})
      : console_(console), results_path_(std::move(results_path)) {}

  // What to type to run this job again, or nothing; for the first failures.
  void replays(std::function<std::string(std::string_view job)> line) { replay_ = std::move(line); }

  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override;
  [[nodiscard]] Result<void> flush() override { return console_.flush(); }
  [[nodiscard]] Result<void> finished(const master::RunTotals& totals) override;
  void salvage() noexcept override { console_.salvage(); }

  [[nodiscard]] std::string text(const master::RunTotals& totals) const;

 private:
  Console& console_;
  std::string results_path_;
  std::function<std::string(std::string_view)> replay_;
  std::vector<std::string> failed_, allowed_;  // the first of each
  std::vector<std::string> quarantined_;       // the first, and how many
  std::uint64_t all_quarantined_ = 0;
  std::vector<std::string> left_behind_;  // by the first jobs that ended well and left something
  std::vector<int> signals_;              // that jobs crashed with, each once
};

}  // namespace runner::report
