#include "cli/dry_run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <string>

#include <runner/wire.hpp>
#include "config/shell_state.hpp"
#include "report/output_file.hpp"
#include "report/printable.hpp"

namespace runner::cli {

namespace {

bool is_script(const JobSpec& job) {
  const auto* command = std::get_if<CommandWork>(&job.work);
  return command != nullptr && command->argv.size() == 3 && command->argv[0] == "/bin/sh" && command->argv[1] == "-c";
}

}  // namespace

std::string in_words(const JobSpec& job, const Registry& registry) {
  if (const auto* typed = std::get_if<TypedWork>(&job.work)) {
    const Kind* kind = registry.find(typed->kind);
    if (kind == nullptr) return typed->kind;
    try {
      return typed->kind + " " + kind->args_json(as_bytes(typed->args));
    } catch (const WireError&) {
      return typed->kind + " (recorded by another version of it)";
    }
  }
  const CommandWork& command = std::get<CommandWork>(job.work);
  std::string text;
  for (const auto& [name, value] : command.env) text += name + "=" + config::shell_quoted(value) + " ";
  for (const std::string& word : command.argv) text += config::shell_quoted(word) + " ";
  if (!text.empty()) text.pop_back();
  if (!command.cwd.empty()) text = "(cd " + config::shell_quoted(command.cwd) + " && " + text + ")";
  // Not inside of the parentheses: the path is relative to where runner is.
  if (!command.stdin_path.empty()) text += " < " + config::shell_quoted(command.stdin_path);
  return text;
}

std::string bare_words(const JobSpec& job, const Registry& registry) {
  return is_script(job) ? std::get<CommandWork>(job.work).argv[2] : in_words(job, registry);
}

std::string shown(std::string_view text) {
  std::string out;
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = text.find('\n');
    out += report::printable(text.substr(0, end));
    if (end == std::string_view::npos) break;
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

Result<void> print_jobs(Batch& batch, const Registry& registry, bool bare) {
  report::OutputFile out(STDOUT_FILENO, "standard output");
  JobSpec job;
  for (;;) {
    const Result<bool> more = batch.jobs->next(job);
    if (!more) return tl::unexpected(more.error());
    if (!*more) return out.flush();
    if (!bare) {
      out.buffer() += job.name + ": " + shown(in_words(job, registry)) + "\n";
    } else {
      out.buffer() += shown(bare_words(job, registry)) + "\n";
    }
    if (Result<void> ended = out.end_record(); !ended) return ended;
  }
}

}  // namespace runner::cli
