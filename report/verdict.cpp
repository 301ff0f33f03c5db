#include "report/verdict.hpp"

#include <variant>

#include "report/printable.hpp"

namespace runner::report {

namespace {

// A reason is a job's own text and may be of any length; the results file has all of it.
constexpr std::size_t kReasonColumns = 400;

std::string ordinal(std::uint32_t number) {
  const std::uint32_t ten = number % 100 / 10, one = number % 10;
  const char* suffix = ten == 1 || one == 0 || one > 3 ? "th" : one == 1 ? "st" : one == 2 ? "nd" : "rd";
  return std::to_string(number) + suffix;
}

}  // namespace

std::string verdict(std::string_view name, const Outcome& outcome, Attempt attempt) {
  std::string text = printable(name) + ": " + fit(describe(outcome), kReasonColumns);
  const bool says_when = std::holds_alternative<TimedOut>(outcome.ending) || std::holds_alternative<Cancelled>(outcome.ending);
  if (!says_when && outcome.wall > Duration::zero()) text += ", after " + format_duration(outcome.wall);
  if (number(attempt) > 1) text += ", " + ordinal(number(attempt)) + " attempt";
  if (std::holds_alternative<OutOfMemory>(outcome.ending) && outcome.peak_memory) {
    text += ", at most " + format_size(*outcome.peak_memory) + " in one process";
  }
  if (!outcome.core.empty()) text += ", core in " + printable(outcome.core);
  if (!outcome.left_behind.empty()) text += ", left " + fit(printable(joined(outcome.left_behind)), kReasonColumns) + " behind";
  return text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace runner::report
