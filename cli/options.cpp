#include "cli/options.hpp"

#include <runner/version.hpp>
#include "cli/parse/parsers.hpp"

namespace runner::cli {

Result<Command> parse_arguments(const std::vector<std::string>& arguments) {
  const std::string first = arguments.empty() ? std::string() : arguments.front();
  const std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (first == "check") return parse_check(rest);
  if (first == "compare") return parse_compare(rest);
  if (first == "bench") return parse_bench(rest);
  if (first == "explain") return parse_explain(rest);
  if (first == "doctor") return parse_doctor(rest);
  if (first == "kinds") return parse_kinds(rest);
  if (first == "runs") return parse_runs(rest);
  if (first == "show") return parse_show(rest);
  if (first == "export") return parse_export(rest);
  if (first == "replay") return parse_replay(rest);
  if (first == "run") return parse_run(rest);
  if (first == "exec") return parse_run(rest, true);
  if (first == "--version" || first == "-V") return ShowText{"runner " RUNNER_VERSION_STRING "\n"};
  if (first == "help") return parse_run({"--help"});
  return parse_run(arguments);
}

}  // namespace runner::cli
