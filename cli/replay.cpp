#include "cli/replay.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <runner/batch.hpp>
#include <runner/registry.hpp>
#include <runner/unique_fd.hpp>
#include "cli/complain.hpp"
#include "cli/find_store.hpp"
#include "cli/run_batch.hpp"
#include "config/read_batch.hpp"
#include "ipc/os.hpp"
#include "ipc/thread_caps.hpp"
#include "report/store/schema.hpp"

namespace runner::cli {

namespace {

class OneJob final : public JobSource {
 public:
  explicit OneJob(JobSpec job) : job_(std::move(job)) { job_.id = JobId{0}; }
  [[nodiscard]] Result<bool> next(JobSpec& job) override {
    if (std::exchange(given_, true)) return false;
    job = job_;
    return true;
  }

 private:
  JobSpec job_;
  bool given_ = false;
};

struct Found {
  report::StoredRun run;
  JobSpec job;
  std::uint32_t cpus = 1;                // of the job
  std::optional<std::uint32_t> threads;  // for each of those; none: the store is older than that
};

Result<Found> find(const ReplayOptions& options) {
  const Result<std::string> path = find_store(options.store);
  if (!path) return tl::unexpected(path.error());
  Result<report::Database> store = report::read_store(*path);
  if (!store) return tl::unexpected(store.error());
  const Result<report::StoredRun> run = find_run(*store, options.run);
  if (!run) return tl::unexpected(run.error());
  const Result<report::StoredJob> job = find_job(*store, *run, options.job);
  if (!job) return tl::unexpected(job.error());
  const auto* command = std::get_if<CommandWork>(&job->job.work);
  if (command != nullptr && command->argv.empty()) {
    return fail(ErrorCode::usage,
                fmt::format("what job `{}` ran cannot be read from `{}`: the store is damaged", options.job, *path));
  }
  const std::uint32_t cpus = std::visit([](const auto& work) { return work.cpus; }, job->job.work);
  Found found{*run, job->job, cpus, {}};
  if (job->threads) found.threads = std::max(1U, *job->threads / cpus);
  return found;
}

// What a batch file says beside its jobs, as far as it is still there: the typed job may use it.
void add_surroundings(Batch& batch, const report::StoredRun& run, Registry& registry) {
  if (run.file.empty() || run.file == "-") return;
  Result<config::CheckedBatch> now = config::read_batch(run.file, registry);
  if (!now) return;
  batch.shared = std::move(now->batch.shared);
  batch.max_result = now->batch.max_result;
}

tl::unexpected<Error> cannot(std::string_view what, const std::string& which) {
  return fail(ErrorCode::system, fmt::format("cannot {} `{}`: {}", what, which, std::strerror(errno)));
}

// Answers only when it cannot.
Result<void> become(const CommandWork& command, std::uint32_t threads) {
  const std::string& input = command.stdin_path.empty() ? "/dev/null" : command.stdin_path;
  {
    const UniqueFd in(os::retry("open", ::open, input.c_str(), O_RDONLY | O_CLOEXEC));
    if (!in || os::retry("dup2", ::dup2, in.get(), STDIN_FILENO) < 0) return cannot("open the standard input", input);
  }
  if (!command.cwd.empty() && ::chdir(command.cwd.c_str()) != 0) return cannot("go to the folder", command.cwd);
  const std::string most = std::to_string(threads);
  for (const std::string_view name : ipc::ThreadCaps::plan(threads).ours) {
    if (::setenv(std::string(name).c_str(), most.c_str(), 1) != 0) return cannot("set the variable", std::string(name));
  }
  if (::setenv(ipc::kCpus, most.c_str(), 1) != 0) return cannot("set the variable", ipc::kCpus);
  for (const auto& [name, value] : command.env) {
    if (::setenv(name.c_str(), value.c_str(), 1) != 0) return cannot("set the variable", name);
  }
  std::vector<std::string> words = command.argv;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  for (const int taken : {SIGPIPE, SIGXFSZ}) ::signal(taken, SIG_DFL);  // as main() found them
  ::execvp(argv.front(), argv.data());
  return cannot("start the command", words.front());
}

int not_replayed(const Error& error) {
  complain(error);
  return error.code == ErrorCode::system ? kNotAllWell : kNothingRan;
}

}  // namespace

int replay_job(const ReplayOptions& options) {
  Result<Found> found = find(options);
  if (!found) return not_replayed(found.error());
  JobSpec& job = found->job;
  if (::chdir(found->run.folder.c_str()) != 0) {
    return not_replayed({ErrorCode::usage, fmt::format("cannot go to `{}`, where this job was run: {}", found->run.folder,
                                                       std::strerror(errno))});
  }
  Registry registry;
  for (const std::string& plugin : found->run.plugins) {
    if (const Result<std::string> loaded = registry.load_plugin(plugin); !loaded) return not_replayed(loaded.error());
  }
  if (const auto* typed = std::get_if<TypedWork>(&job.work); typed != nullptr && registry.find(typed->kind) == nullptr) {
    return not_replayed(
        {ErrorCode::usage, fmt::format("this program has no kind `{}` any more, which job `{}` is of", typed->kind, job.name)});
  }
  if (options.debug) {
    job.timeout = {};  // a person who looks at it takes longer
    if (const auto* command = std::get_if<CommandWork>(&job.work)) {
      return not_replayed(become(*command, found->cpus * found->threads.value_or(1)).error());
    }
  }

  Batch batch;
  batch.name = found->run.batch;
  batch.size = 1;
  batch.demands.push_back({found->cpus, {}, job.name});
  job.demand = 1;
  batch.plugins = registry.plugins();
  if (std::holds_alternative<TypedWork>(job.work)) add_surroundings(batch, found->run, registry);
  batch.jobs = std::make_unique<OneJob>(std::move(job));
  RunOptions run;
  run.procs = found->cpus;  // one worker, which has the places that the job takes
  run.threads = found->threads;
  if (found->threads.value_or(1) > 1) run.bind = master::Bind::none;  // it had more than the core of a place
  run.no_store = true;
  run.progress = report::ProgressStyle::none;
  if (options.debug) run.mode = Mode::serial;
  return carry_out(run, batch, registry);
}

}  // namespace runner::cli
