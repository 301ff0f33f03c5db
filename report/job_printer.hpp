// job_printer.hpp - results on standard output: a command's own output, or a typed job's result as one JSON line.
//
// Output is grouped by job: what a command wrote comes out whole once it has ended, its standard output to ours, its standard
// error to ours. Of attempts that are tried again nothing is shown. A typed job that failed prints nothing here.
//
// Called from  the run loop's thread.
// Owns         nothing; console and texts are shared with other sinks.
// Fails with   unwritable: standard output was closed or is full.
#pragma once

#include "master/sink.hpp"
#include "report/console.hpp"
#include "report/result_text.hpp"

namespace runner::report {

class JobPrinter final : public master::Sink {
 public:
  JobPrinter(Console& console, ResultText& results) : console_(console), results_(results) {}

  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override;
  [[nodiscard]] Result<void> flush() override { return console_.flush(); }
  [[nodiscard]] Result<void> finished(const master::RunTotals&) override { return console_.flush(); }
  void salvage() noexcept override { console_.salvage(); }

 private:
  [[nodiscard]] Result<void> print_result(const master::JobRecord& record);
  [[nodiscard]] Result<void> print_output(const Outcome& outcome);

  Console& console_;
  ResultText& results_;
  bool mid_line_ = false;  // the last command's output did not end its line
};

}  // namespace runner::report
