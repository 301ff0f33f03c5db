// runner: argv -> one call.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include <runner/registry.hpp>
#include "cli/bench_ipc.hpp"
#include "cli/compare.hpp"
#include "cli/complain.hpp"
#include "cli/doctor.hpp"
#include "cli/explain.hpp"
#include "cli/options.hpp"
#include "cli/print.hpp"
#include "cli/replay.hpp"
#include "cli/run_batch.hpp"
#include "cli/stored_runs.hpp"
#include "ipc/os.hpp"
#include "report/kinds_table.hpp"

namespace runner::cli {

namespace {

int list_kinds(const KindsOptions& options) {
  Registry registry;
  for (const std::string& plugin : options.plugins) {
    if (const Result<std::string> loaded = registry.load_plugin(plugin); !loaded) {
      complain(loaded.error());
      return kNothingRan;
    }
  }
  if (options.name.empty()) return print(options.json ? report::kinds_json(registry) : report::kinds_table(registry));
  const Result<std::string> page =
      options.json ? report::kind_json(registry, options.name) : report::kind_page(registry, options.name);
  if (page) return print(*page);
  complain(page.error());
  return kNothingRan;
}

int run(const std::vector<std::string>& arguments) {
  // Whoever closed one of the three would find a file of ours in its place.
  // Only for reading, unlike ipc::fill_standard_streams(): results that nobody can get are an error.
  int fd = ::open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDONLY);
  if (fd >= 0) ::close(fd);
  // A closed pipe, or a file that may grow no more, is an error like any other, and gets a message.
  for (const int failed_write : {SIGPIPE, SIGXFSZ}) ::signal(failed_write, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);  // ignored by whoever started us, the kernel would forget how children end
  const Result<Command> command = parse_arguments(arguments);
  if (!command) {
    complain(command.error());
    return kNothingRan;
  }
  if (const auto* text = std::get_if<ShowText>(&*command)) return print(text->text);
  if (const auto* kinds = std::get_if<KindsOptions>(&*command)) return list_kinds(*kinds);
  if (const auto* check = std::get_if<CheckOptions>(&*command)) return check_batch(*check);
  if (const auto* explain = std::get_if<ExplainOptions>(&*command)) return explain_job(*explain);
  if (const auto* runs = std::get_if<RunsOptions>(&*command)) return list_runs(*runs);
  if (const auto* show = std::get_if<ShowOptions>(&*command)) return show_run(*show);
  if (const auto* exported = std::get_if<ExportOptions>(&*command)) return export_run(*exported);
  if (const auto* replay = std::get_if<ReplayOptions>(&*command)) return replay_job(*replay);
  if (const auto* doctor = std::get_if<DoctorOptions>(&*command)) return examine(*doctor);
  if (const auto* bench = std::get_if<BenchIpcOptions>(&*command)) return bench_ipc(*bench);
  if (const auto* compared = std::get_if<CompareOptions>(&*command)) return compare(*compared);
  return run_batch(std::get<RunOptions>(*command));
}

}  // namespace

}  // namespace runner::cli

int main(int argc, char** argv) {
  try {
    return runner::cli::run({argv + 1, argv + argc});
  } catch (const std::bad_alloc&) {
    runner::cli::complain(runner::os::failure("go on", "malloc", ENOMEM).value());
    return runner::cli::kNotAllWell;
  } catch (const std::exception& error) {
    runner::cli::complain({runner::ErrorCode::system, fmt::format("this program cannot go on: {}", error.what())});
    return runner::cli::kNotAllWell;
  }
}
