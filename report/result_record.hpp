// result_record.hpp - what is told of one job, as a line of JSON or of CSV: the form of --results and of `runner export`.
//
// The fields, in this order; those that do not apply to a job are absent (CSV: empty):
//   job kind status attempts worker seconds cpu_seconds exit_code signal quarantined result stdout stderr error
//   peak_memory core left_behind stderr_tail costs
// `stdout` stands for three: text in `stdout`; bytes that are not UTF-8 (CSV: or hold NUL) in `stdout_base64` instead; and the path
// of a file with all of a long output in `stdout_file`. `stderr` likewise. CSV is RFC 4180 with a header; a result is JSON there too.
//
// Called from  any thread.
// Owns         nothing.
// Fails with   cannot fail.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "master/sink.hpp"

namespace runner::report {

struct ResultRecord {
  // One captured stream: its text or bytes, and the file that has all of it.
  struct Stream {
    std::string_view shown;
    bool text = true;
    std::string file;
  };

  const master::JobRecord& job;
  std::string_view signal;
  std::optional<std::string_view> result;  // JSON
  std::optional<Stream> out, err;
  std::string_view error;
  std::string_view costs;  // JSON (costs_json.hpp); empty: this attempt was not sampled
};

// What a stream is shown as, `file` apart. `nul_is_text`: in JSON it is.
[[nodiscard]] ResultRecord::Stream shown_stream(const Captured& captured, bool nul_is_text);

extern const std::string_view kCsvHeader;
void append_json(std::string& out, const ResultRecord& record);
void append_csv(std::string& out, const ResultRecord& record);

}  // namespace runner::report
