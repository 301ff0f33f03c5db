#include "runner/outcome.hpp"

#include <signal.h>
#include <string.h>

#include "runner/overloaded.hpp"

namespace runner {

bool succeeded(const Outcome& outcome) { return std::holds_alternative<Succeeded>(outcome.ending); }

std::string_view last_lines(const Captured& captured, std::size_t count) {
  const std::string_view text = captured.text;
  std::size_t from = text.size();
  for (std::size_t end = text.ends_with('\n') ? text.size() - 1 : text.size(); count > 0; --count) {
    const std::size_t feed = end == 0 ? std::string_view::npos : text.rfind('\n', end - 1);
    from = feed == std::string_view::npos ? 0 : feed + 1;
    if (feed == std::string_view::npos) break;
    end = feed;
  }
  return text.substr(from);
}

std::string_view status_word(const Ending& ending) {
  return std::visit(
      Overloaded{[](const Succeeded&) { return "ok"; }, [](const Failed&) { return "failed"; },
                 [](const Crashed&) { return "crashed"; }, [](const TimedOut&) { return "timed_out"; },
                 [](const Cancelled&) { return "cancelled"; }, [](const OutOfMemory&) { return "out_of_memory"; }},
      ending);
}

static std::string describe_ending(const Outcome& outcome) {
  return std::visit(Overloaded{[](const Succeeded&) { return std::string("ok"); },
                               [](const Failed& failed) {
                                 // An exception may have nothing to say.
                                 return failed.reason.empty() ? std::string("failed without a reason") : failed.reason;
                               },
                               [](const Crashed& crashed) {
                                 if (crashed.signal == 0) return "crashed: " + crashed.reason;
                                 std::string text = "crashed: " + signal_name(crashed.signal);
                                 if (!crashed.reason.empty()) text += " (" + crashed.reason + ")";
                                 return text;
                               },
                               [](const TimedOut& late) {
                                 std::string text = "timed out after " + format_duration(late.limit);
                                 if (!late.reason.empty()) text += " (" + late.reason + ")";
                                 return text;
                               },
                               [](const Cancelled& cancelled) { return "cancelled: " + cancelled.reason; },
                               [](const OutOfMemory& memory) { return "out of memory: " + memory.reason; }},
                    outcome.ending);
}

std::string describe(const Outcome& outcome) { return describe_ending(outcome) + (outcome.quarantined ? "; quarantined" : ""); }

std::string result_too_large(Bytes found, Bytes limit) {
  return "its result takes " + format_size(found) + ", more than max_result allows (" + format_size(limit) +
         "): raise that, or write the result to a file";
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

}  // namespace runner
