// results_file.hpp - --results: one record per job, as JSON lines or CSV.
//
// The fields, in this order; those that do not apply to a job are absent (CSV: empty):
//   job kind status attempts worker seconds cpu_seconds exit_code signal result stdout stderr error
// `stdout` stands for three: text in `stdout`; bytes that are not UTF-8 (CSV: or hold NUL) in `stdout_base64` instead; and for
// output beyond 1 MiB, of which only the last 64 KiB are shown, the path of a file with all of it in `stdout_file`. These
// files are in the folder FILE.d, named NUMBER-NAME.stdout. `stderr` likewise. CSV is RFC 4180 with a header; a result is JSON
// there too.
//
// Called from  the run loop's thread; salvage() also from a dying program.
// Owns         the file and its folder.
// Fails with   open: usage (extension), unwritable. Later: unwritable; all records before are whole.
// Call order   open started ended* finished
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "master/sink.hpp"
#include "report/output_file.hpp"
#include "report/result_text.hpp"

namespace runner::report {

class ResultsFile final : public master::Sink {
 public:
  // `path` ends in .jsonl or .csv. What it held is lost.
  [[nodiscard]] static Result<std::unique_ptr<ResultsFile>> open(const std::string& path, ResultText& results);

  [[nodiscard]] Result<void> started(const master::RunInfo& info) override;
  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override;
  [[nodiscard]] Result<void> flush() override { return file_.flush(); }
  [[nodiscard]] Result<void> finished(const master::RunTotals&) override { return file_.flush(); }
  void salvage() noexcept override { file_.salvage(); }

 private:
  enum class Format { json_lines, csv };
  struct Stream;
  struct Row;
  ResultsFile(OutputFile file, std::string path, Format format, ResultText& results)
      : file_(std::move(file)), path_(std::move(path)), format_(format), results_(results) {}
  [[nodiscard]] Stream stream(const master::JobRecord& record, const Captured& captured, std::string_view name,
                              Result<void>& kept);
  [[nodiscard]] Result<std::string> keep(const master::JobRecord& record, const Captured& captured, std::string_view name);
  static void append_json(std::string& out, const Row& row);
  static void append_evidence(std::string& out, const master::JobRecord& record);
  static void append_csv(std::string& out, const Row& row);

  OutputFile file_;
  std::string path_;
  Format format_;
  ResultText& results_;
};

}  // namespace runner::report
