#include "cli/explain.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <runner/value.hpp>
#include <runner/wire.hpp>
#include "cli/complain.hpp"
#include "cli/dry_run.hpp"
#include "cli/fact_page.hpp"
#include "cli/print.hpp"
#include "cli/shares.hpp"
#include "config/read_batch.hpp"
#include "config/shell_state.hpp"
#include "ipc/thread_caps.hpp"
#include "report/printable.hpp"

namespace runner::cli {

namespace {

constexpr std::size_t kNamed = 8;             // of many jobs
constexpr std::uint64_t kMostNames = 10'000;  // names, for a near miss
constexpr std::uint32_t kWaitsShown = 5;

std::string jobs(std::uint64_t count) { return fmt::format("{} job{}", count, count == 1 ? "" : "s"); }

// The name of the job of this number.
Result<std::string> name_of(Batch& batch, JobId id) {
  JobSpec job;
  if (const Result<void> filled = batch.jobs->at(id, job); !filled) return tl::unexpected(filled.error());
  return report::printable(job.name);
}

// Blocks of jobs, counted and with the first few by name.
class Crowd {
 public:
  void add(const Plan::Block& block) {
    count_ += block.size;
    for (std::uint64_t i = 0; i < block.size && first_.size() < kNamed; ++i) first_.push_back(JobId{number(block.first) + i});
  }
  [[nodiscard]] Result<std::string> text(Batch& batch) const {
    std::string text = jobs(count_) + ": ";
    for (std::size_t i = 0; i < first_.size(); ++i) {
      const Result<std::string> name = name_of(batch, first_[i]);
      if (!name) return name;
      text += (i == 0 ? "" : ", ") + *name;
    }
    return text + (count_ > first_.size() ? ", ..." : "");
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
  std::vector<JobId> first_;
};

// All blocks that can be reached over `edges` and back over `ends`, the one itself left out, in the order of the batch.
Crowd reached(const Plan& plan, std::uint32_t from, const Lists& edges, const Lists& ends) {
  std::vector<char> met(plan.blocks.size(), 0), asked(plan.groups.size(), 0);
  std::vector<std::uint32_t> left{from};
  while (!left.empty()) {
    const std::uint32_t b = left.back();
    left.pop_back();
    for (const std::uint32_t g : edges[b]) {
      if (std::exchange(asked[g], 1) != 0) continue;
      for (const std::uint32_t other : ends[g]) {
        if (std::exchange(met[other], 1) == 0) left.push_back(other);
      }
    }
  }
  Crowd crowd;
  for (std::uint32_t b = 0; b < met.size(); ++b) {
    if (met[b] != 0) crowd.add(plan.blocks[b]);
  }
  return crowd;
}

// How many jobs that wait for nobody start before this one, which does not either.
std::uint64_t ahead_of(const Plan& plan, std::uint32_t block, JobId id) {
  std::uint64_t ahead = number(id) - number(plan.blocks[block].first);
  for (std::uint32_t b = 0; b < plan.blocks.size(); ++b) {
    if (!plan.needs[b].empty()) continue;
    const bool first = plan.blocks[b].priority > plan.blocks[block].priority ||
                       (plan.blocks[b].priority == plan.blocks[block].priority && b < block);
    if (first) ahead += plan.blocks[b].size;
  }
  return ahead;
}

std::string retries(const JobSpec& job) {
  if (job.retries == 0) return "none";
  std::string text = fmt::format("{}, when it", job.retries);
  const char* before = " ";
  const auto tell = [&](bool told, std::string_view word) {
    if (told) text += std::exchange(before, " or ") + std::string(word);
  };
  tell(job.retry_on.failed, "failed");
  tell(job.retry_on.crashed, "crashed");
  tell(job.retry_on.timed_out, "timed out");
  tell(job.retry_on.out_of_memory, "was out of memory");
  if (job.backoff.initial == Duration::zero()) return text + "; at once";
  text += "; after";
  for (std::uint32_t attempt = 1; attempt <= std::min(job.retries, kWaitsShown); ++attempt) {
    text += (attempt == 1 ? " " : ", ") + format_duration(job.backoff.after(job.id, Attempt{attempt}));
  }
  return text + (job.retries > kWaitsShown ? ", ..." : "");
}

std::string takes(const Batch& batch, const Demand& demand) {
  std::string text = demand.cpus == 1 ? "1 CPU" : fmt::format("{} CPUs", demand.cpus);
  for (std::size_t r = 0; r < demand.resources.size(); ++r) {
    if (demand.resources[r] == 0) continue;
    text += fmt::format(", {} of {} {}", demand.resources[r], batch.resources[r].count, batch.resources[r].name);
  }
  return text;
}

// With the options of a run that says nothing.
std::string threads(const Batch& batch, const Demand& demand) {
  const master::UsableCpus cpus = master::usable_cpus();
  const std::uint32_t each = threads_of_place(master::Bind::core, most_cpus(batch.demands), default_procs(cpus, {}), cpus);
  const ipc::ThreadCaps caps = ipc::ThreadCaps::plan(each * demand.cpus);
  std::string text = fmt::format("{} for its libraries ({})", caps.threads,
                                 caps.ours.empty() ? "no variable says so" : fmt::format("{}", fmt::join(caps.ours, " ")));
  return text + (caps.theirs.empty() ? "" : fmt::format("; yours stay: {}", fmt::join(caps.theirs, " ")));
}

void tell_work(FactPage& page, const JobSpec& job, const Registry& registry) {
  if (const auto* typed = std::get_if<TypedWork>(&job.work)) {
    page.line("runs",
              fmt::format("kind {} with {}", typed->kind, registry.find(typed->kind)->args_json(as_bytes(typed->args))));
    return;
  }
  const CommandWork& command = std::get<CommandWork>(job.work);
  std::string words;
  for (const std::string& word : command.argv) words += (words.empty() ? "" : " ") + config::shell_quoted(word);
  page.line("runs", words);
  page.line("in", command.cwd.empty() ? "the folder where runner was started" : command.cwd);
  std::string variables;
  for (const auto& [name, value] : command.env) variables += name + "=" + config::shell_quoted(value) + " ";
  page.line("sets", variables.empty() ? "no variable; it inherits the environment" : variables + "beside what it inherits");
  page.line("reads", command.stdin_path.empty() ? "/dev/null" : command.stdin_path);
}

Result<void> tell_order(FactPage& page, Batch& batch, const JobSpec& job) {
  if (!batch.plan) {
    page.line("waits", fmt::format("for no job; {} of the same batch start before it", jobs(number(job.id))));
    return {};
  }
  const Plan& plan = *batch.plan;
  const std::uint32_t block = plan.block_of(job.id);
  std::string needs;
  for (const std::uint32_t g : plan.needs[block]) {
    needs += (needs.empty() ? "" : ", ") + plan.groups[g].need;
    if (plan.groups[g].size > 1) needs += fmt::format(" ({})", jobs(plan.groups[g].size));
  }
  if (needs.empty()) {
    page.line("waits", fmt::format("for no job; {} of the same batch start before it", jobs(ahead_of(plan, block, job.id))));
  } else {
    page.line("needs", needs);
    const Result<std::string> all = reached(plan, block, plan.needs, plan.members).text(batch);
    if (!all) return tl::unexpected(all.error());
    page.line("waits", "until all of these have ended well, or as badly as they may: " + *all);
  }
  const Crowd behind = reached(plan, block, plan.groups_of, plan.waiters);
  if (behind.count() == 0) return {};
  const Result<std::string> all = behind.text(batch);
  if (!all) return tl::unexpected(all.error());
  page.line("holds up", *all);
  return {};
}

Result<std::string> page_of(const ExplainOptions& options) {
  Registry registry;
  for (const std::string& plugin : options.plugins) {
    if (const Result<std::string> loaded = registry.load_plugin(plugin); !loaded) return tl::unexpected(loaded.error());
  }
  Result<config::CheckedBatch> checked = config::read_batch(options.file, registry);
  if (!checked) return tl::unexpected(checked.error());
  Batch& batch = checked->batch;
  const Result<std::optional<JobId>> id = batch.jobs->find(options.job);
  if (!id) return tl::unexpected(id.error());
  if (*id) return explanation(batch, **id, registry);
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < std::min(batch.size.value_or(0), kMostNames); ++i) {
    Result<std::string> name = name_of(batch, JobId{i});
    if (!name) return name;
    names.push_back(std::move(*name));
  }
  const std::string_view near = near_miss(options.job, {names.begin(), names.end()});
  return fail(ErrorCode::usage,
              fmt::format("`{}` has no job `{}`{}", options.file, options.job,
                          near.empty() ? "; `runner --dry-run` lists them" : fmt::format("; did you mean `{}`?", near)));
}

}  // namespace

Result<std::string> explanation(Batch& batch, JobId id, const Registry& registry) {
  JobSpec job;
  if (const Result<void> filled = batch.jobs->at(id, job); !filled) return tl::unexpected(filled.error());
  FactPage page;
  page.line("job",
            fmt::format("{} (number {}{})", job.name, number(id) + 1, batch.size ? fmt::format(" of {}", *batch.size) : ""));
  tell_work(page, job, registry);
  if (const Result<void> told = tell_order(page, batch, job); !told) return tl::unexpected(told.error());
  page.line("takes", takes(batch, batch.demands[job.demand]));
  page.line("threads", threads(batch, batch.demands[job.demand]));
  page.line("priority", std::to_string(job.priority));
  page.line("timeout", job.timeout == Duration::zero() ? "none" : format_duration(job.timeout) + " for each attempt");
  const auto* command = std::get_if<CommandWork>(&job.work);
  const Bytes memory = command != nullptr ? command->memory : std::get<TypedWork>(job.work).memory;
  if (command != nullptr)
    page.line("kill after", format_duration(command->kill_after) + " from SIGTERM to SIGKILL, when it is ended early");
  page.line("memory", memory.count == 0 ? "no limit" : format_size(memory) + "; ended above that");
  page.line("retries", retries(job));
  page.line("quarantine", job.crash_limit == 1 ? std::string("when it has killed a worker")
                                               : fmt::format("when it has killed {} workers", job.crash_limit));
  page.line("may fail", job.allow_failure ? "yes: neither the run nor a job that needs it minds" : "no");
  return page.text();
}

int explain_job(const ExplainOptions& options) {
  const Result<std::string> page = page_of(options);
  if (!page) {
    complain(page.error());
    return page.error().code == ErrorCode::system ? kNotAllWell : kNothingRan;
  }
  return print(*page);
}

}  // namespace runner::cli
