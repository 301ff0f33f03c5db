#include "cli/find_store.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <runner/value.hpp>
#include "config/shell_state.hpp"
#include "report/printable.hpp"

namespace runner::cli {

namespace {

constexpr std::string_view kEnding = ".runs.sqlite";
constexpr std::size_t kMostCompared = 10'000;  // names, for a near miss

// What was written last may still be in the file beside it.
std::pair<std::int64_t, std::int64_t> last_written(const std::string& path) {
  std::pair<std::int64_t, std::int64_t> last{0, 0};
  for (const std::string& file : {path, path + "-wal"}) {
    struct stat info{};
    if (::stat(file.c_str(), &info) == 0) last = std::max(last, {info.st_mtim.tv_sec, info.st_mtim.tv_nsec});
  }
  return last;
}

// Behind the name of a command that is to read this store; nothing where it would find it.
std::string store_option(const std::string& store) {
  const Result<std::string> found = find_store({});
  return found && *found == store ? std::string() : "--store " + config::shell_quoted(store) + " ";
}

}  // namespace

Result<std::string> find_store(const std::string& given) {
  if (!given.empty()) return given;
  std::string newest;
  std::error_code unknown;
  for (const auto& entry : std::filesystem::directory_iterator(".", unknown)) {
    std::string name = entry.path().filename().string();
    if (!name.ends_with(kEnding) || !entry.is_regular_file(unknown)) continue;
    if (newest.empty() || last_written(name) > last_written(newest)) newest = std::move(name);
  }
  if (newest.empty()) {
    return fail(ErrorCode::usage,
                "there is no run store (*.runs.sqlite) in this folder; a run makes one, and --store names "
                "one that is somewhere else");
  }
  return newest;
}

Result<report::StoredRun> find_run(report::Database& store, std::optional<std::int64_t> number) {
  const Result<std::optional<report::StoredRun>> run = report::stored_run(store, number);
  if (!run) return tl::unexpected(run.error());
  if (*run) return **run;
  if (!number) return fail(ErrorCode::usage, fmt::format("no run is recorded in `{}` yet", store.path()));
  return fail(ErrorCode::usage, fmt::format("there is no run {} in `{}`; `runner runs` lists them", *number, store.path()));
}

Result<report::StoredJob> find_job(report::Database& store, const report::StoredRun& run, std::string_view name) {
  report::StoredJob job;
  {
    Result<report::StoredJobs> jobs = report::StoredJobs::named(store, run.number, name);
    if (!jobs) return tl::unexpected(jobs.error());
    const Result<bool> found = jobs->next(job);
    if (!found) return tl::unexpected(found.error());
    if (*found) return job;
  }
  Result<report::StoredJobs> jobs = report::StoredJobs::of_run(store, run.number, report::StoredJobs::Which::all);
  if (!jobs) return tl::unexpected(jobs.error());
  std::vector<std::string> names;
  while (names.size() < kMostCompared) {
    const Result<bool> more = jobs->next(job);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    names.push_back(job.job.name);
  }
  const std::string_view near = near_miss(name, {names.begin(), names.end()});
  return fail(ErrorCode::usage, fmt::format("run {} in `{}` has no outcome of a job `{}`{}", run.number, store.path(), name,
                                            near.empty() ? std::string("; `runner export` lists all that it has")
                                                         : fmt::format("; did you mean `{}`?", report::printable(near))));
}

std::string replay_line(const std::string& store, std::string_view job, std::optional<std::int64_t> run) {
  std::string line = "runner replay " + store_option(store);
  if (run) line += fmt::format("--run {} ", *run);
  if (job.starts_with('-')) line += "-- ";
  return line + config::shell_quoted(job);
}

std::string run_line(std::string_view command, const std::string& store, std::int64_t run) {
  return fmt::format("runner {} {}{}", command, store_option(store), run);
}

}  // namespace runner::cli
