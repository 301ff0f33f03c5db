// outcome_row.hpp - one attempt on its way to the store, as bytes: made by the loop's thread, read by the writer's.
//
// Called from  write: the loop's thread. read: the writer's thread, on bytes that write made.
// Owns         nothing: what is read points into the bytes.
// Never        leaves this process, so its form is nobody's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <runner/job_spec.hpp>
#include <runner/outcome.hpp>

namespace runner::report {

struct OutcomeRow {
  static constexpr std::int64_t kNone = INT64_MIN;
  struct Fixed {
    std::int64_t job = 0, inputs = 0, attempt = 0;
    std::int64_t worker = kNone, started_ns = 0, wall_ns = 0, cpu_ns = 0;
    std::int64_t exit_code = kNone, signal = kNone, limit_ns = kNone;
    std::int64_t out_bytes = 0, err_bytes = 0, peak_memory = kNone;
    std::int64_t timeout_ns = 0, kill_after_ns = 0, memory = 0;  // limits that it had
    std::int64_t cpus = 1, threads = kNone;
    // Sizes of what follows.
    std::uint32_t name = 0, content = 0, result = 0, reason = 0, out = 0, err = 0, core = 0, left_behind = 0, costs = 0;
    std::uint8_t ending = 0;  // index of its Ending
    bool over = false;        // the job is; else it is tried again
    bool has_result = false;  // of a typed job
    bool is_command = false;
    bool allow_failure = false;
    bool quarantined = false;
  };
  Fixed fixed;
  std::string_view name, content, result, reason, out, err, core, left_behind, costs;

  // Of `content`, see content_of().
  [[nodiscard]] std::string_view kind() const { return part(0); }
  [[nodiscard]] std::string_view work() const { return part(1); }

 private:
  [[nodiscard]] std::string_view part(int which) const;
};

void write_row(std::string& bytes, const OutcomeRow& row);
// Takes one off the front.
[[nodiscard]] OutcomeRow read_row(std::string_view& bytes);

// Everything of an outcome but its points in time and its result. The row points into job and outcome, and into `left_behind`, which
// it overwrites: names of processes, a line for each.
[[nodiscard]] OutcomeRow row_of(const JobSpec& job, const Outcome& outcome, std::string& left_behind);

}  // namespace runner::report
