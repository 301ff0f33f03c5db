#include "report/job_printer.hpp"

#include <utility>
#include <variant>

#include "report/json_text.hpp"
#include "report/printable.hpp"

namespace runner::report {

namespace {

Result<void> print(const Captured& captured, OutputFile& to) {
  if (captured.spill) return to.copy(captured.spill.get(), 0, captured.bytes);
  to.buffer() += captured.text;
  return to.end_record();
}

}  // namespace

Result<void> JobPrinter::ended(const master::JobRecord& record) {
  if (std::holds_alternative<CommandWork>(record.job.work)) return print_output(record.outcome);
  return succeeded(record.outcome) ? print_result(record) : Result<void>{};
}

Result<void> JobPrinter::print_result(const master::JobRecord& record) {
  const Result<std::string_view> result = results_.of(record);
  if (!result) return tl::unexpected(result.error());  // a result that cannot be told is lost
  std::string& out = console_.out().buffer();
  if (std::exchange(mid_line_, false)) out += '\n';  // or the line would be no JSON
  out += "{\"job\":";
  append_json_string(out, record.job.name);
  out += ",\"result\":";
  out += *result;
  out += "}\n";
  return console_.out().end_record();
}

Result<void> JobPrinter::print_output(const Outcome& outcome) {
  if (!outcome.out.text.empty()) {
    mid_line_ = outcome.out.text.back() != '\n';
    if (Result<void> printed = print(outcome.out, console_.out()); !printed) return printed;
  }
  if (outcome.err.text.empty()) return {};
  return print(outcome.err, console_.err());
}

}  // namespace runner::report
