#include "report/costs_file.hpp"

#include <utility>

#include "report/costs_json.hpp"

namespace runner::report {

Result<std::unique_ptr<CostsFile>> CostsFile::open(const std::string& path) {
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::unique_ptr<CostsFile>(new CostsFile(std::move(*file)));
}

Result<void> CostsFile::started(const master::RunInfo& info) {
  batch_ = info.batch;
  return file_.empty();
}

Result<void> CostsFile::finished(const master::RunTotals& totals) {
  file_.buffer() += costs_document(batch_, totals);
  const Result<void> ended = file_.end_record();
  return ended ? file_.flush() : ended;
}

}  // namespace runner::report
