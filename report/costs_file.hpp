// costs_file.hpp - --costs FILE: the ledger of the run as one JSON document (costs_json.hpp), when it is over.
//
// Called from  the run loop's thread.
// Owns         the file, which is made before anything runs and written once.
// Fails with   usage: the file cannot be made. unwritable: it cannot be written.
#pragma once

#include <memory>
#include <string>

#include "master/sink.hpp"
#include "report/output_file.hpp"

namespace runner::report {

class CostsFile final : public master::Sink {
 public:
  [[nodiscard]] static Result<std::unique_ptr<CostsFile>> open(const std::string& path);

  [[nodiscard]] Result<void> started(const master::RunInfo& info) override;
  [[nodiscard]] Result<void> ended(const master::JobRecord&) override { return {}; }
  [[nodiscard]] Result<void> finished(const master::RunTotals& totals) override;

 private:
  explicit CostsFile(OutputFile file) : file_(std::move(file)) {}
  OutputFile file_;
  std::string batch_;
};

}  // namespace runner::report
