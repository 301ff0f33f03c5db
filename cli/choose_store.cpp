#include "cli/choose_store.hpp"

#include <fmt/format.h>

#include <utility>

#include "report/store/locked_store.hpp"
#include "report/store/longest_first.hpp"

namespace runner::cli {

namespace {

constexpr int kMostNumbered = 9;

struct Looked {
  report::LockedStore store;
  std::optional<report::ResumePlan> plan;
  std::vector<JobId> first;
};

// Whether anything says in which order jobs start, or whether it is of no importance.
bool has_an_order(const RunOptions& options, const Batch& batch) {
  return batch.plan || options.keep_order || options.procs == 1U || options.mode == Mode::serial;
}

// Whether it can be written now; what is to be resumed; and what should start first.
Result<Looked> look(const std::string& path, const RunOptions& options, const Batch& batch) {
  Result<report::LockedStore> store = report::LockedStore::open(path);
  if (!store) return tl::unexpected(store.error());
  Looked looked{.store = std::move(*store), .plan = {}, .first = {}};
  report::Database& database = looked.store.database;
  if (options.resumes()) {
    Result<std::optional<report::ResumePlan>> plan =
        report::plan_resume(database, batch,
                            options.only_quarantined ? report::RunAgain::what_killed_only
                            : options.retry_failed   ? report::RunAgain::what_failed_too
                                                     : report::RunAgain::what_is_missing);
    if (!plan) return tl::unexpected(plan.error());
    looked.plan = std::move(*plan);
  }
  if (has_an_order(options, batch)) return looked;
  const bool resumed = looked.plan && !looked.plan->unrelated;
  Result<std::vector<JobId>> first =
      report::longest_first(database, batch, resumed ? std::optional(looked.plan->run) : std::nullopt);
  if (!first) return tl::unexpected(first.error());
  looked.first = std::move(*first);
  if (resumed) std::erase_if(looked.first, [&](JobId job) { return looked.plan->before.has(job); });
  return looked;
}

}  // namespace

std::string default_store(const std::string& batch) {
  std::string name(batch.empty() || batch.front() == '.' ? "_" : "");
  name.append(batch, 0, 200);
  for (char& c : name) {
    if (c == '/' || static_cast<unsigned char>(c) < ' ') c = '_';
  }
  return name + ".runs.sqlite";
}

Result<ChosenStore> choose_store(const RunOptions& options, const Batch& batch) {
  ChosenStore chosen;
  if (options.no_store) return chosen;
  const bool resumes = options.resumes();
  const std::string first = options.store.empty() ? default_store(batch.name) : options.store;
  std::string path = first;
  Result<Looked> looked = look(path, options, batch);
  if (!looked) {
    if (resumes || !options.store.empty()) return tl::unexpected(looked.error());
    const std::string why = looked.error().text;
    for (int number = 2; !looked && number <= kMostNumbered; ++number) {
      path = fmt::format("{}.{}.runs.sqlite", first.substr(0, first.size() - std::string_view(".runs.sqlite").size()), number);
      looked = look(path, options, batch);
    }
    if (!looked) {
      chosen.notices.push_back(why + "; this run is recorded nowhere and cannot be resumed");
      return chosen;
    }
    chosen.notices.push_back(fmt::format("{}; this run is recorded in `{}`", why, path));
  }
  std::optional<report::ResumePlan>& plan = looked->plan;
  chosen.first = std::move(looked->first);
  if (plan && plan->unrelated) {
    chosen.notices.push_back(
        fmt::format("run {} in `{}` has no job in common with this batch, so this is a new run", plan->run, path));
  } else if (plan) {
    chosen.plan = std::move(plan);
  } else if (resumes) {
    chosen.notices.push_back(fmt::format("no run of this batch is recorded in `{}` yet, so this is its first", path));
  }
  if (options.only_quarantined && !chosen.plan) {
    return fail(ErrorCode::usage, fmt::format("--only-quarantined runs again what an earlier run has quarantined, but {}",
                                              chosen.notices.back()));
  }
  report::Sitting& sitting = chosen.sitting.emplace();
  sitting.path = path;
  sitting.store = std::move(looked->store);
  sitting.required = resumes || !options.store.empty();
  sitting.batch_file = options.file;
  sitting.plugins = batch.plugins;
  sitting.jobs = batch.size;
  if (chosen.plan) {
    sitting.jobs = chosen.plan->jobs;
    sitting.run = chosen.plan->run;
    sitting.recorded = chosen.plan->recorded;
    sitting.attempts = std::move(chosen.plan->attempts);
    chosen.notices.push_back(report::in_words(*chosen.plan));
  }
  return chosen;
}

}  // namespace runner::cli
