// results_file.hpp - --results: one record per job, as JSON lines or CSV.
//
// Its form is that of result_record.hpp. Of output beyond 1 MiB only the last 64 KiB are in it; all of it is in a file of the folder
// FILE.d, named NUMBER-NAME.stdout or .stderr.
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
#include "report/result_record.hpp"
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
  ResultsFile(OutputFile file, std::string path, Format format, ResultText& results)
      : file_(std::move(file)), path_(std::move(path)), format_(format), results_(results) {}
  [[nodiscard]] ResultRecord::Stream stream(const master::JobRecord& record, const Captured& captured, std::string_view name,
                                            Result<void>& kept);
  [[nodiscard]] Result<std::string> keep(const master::JobRecord& record, const Captured& captured, std::string_view name);

  OutputFile file_;
  std::string path_;
  Format format_;
  ResultText& results_;
  std::string costs_;  // its memory is used again
};

}  // namespace runner::report
