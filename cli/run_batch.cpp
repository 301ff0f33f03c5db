#include "cli/run_batch.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/choose_store.hpp"
#include "cli/command_line.hpp"
#include "cli/complain.hpp"
#include "cli/dry_run.hpp"
#include "cli/find_store.hpp"
#include "cli/make_engine.hpp"
#include "cli/parting_message.hpp"
#include "cli/print.hpp"
#include "cli/shares.hpp"
#include "config/read_batch.hpp"
#include "ipc/shared_state.hpp"
#include "ipc/thread_caps.hpp"
#include "master/delegation.hpp"
#include "master/engines/in_process.hpp"
#include "master/engines/last_words.hpp"
#include "master/guardian.hpp"
#include "master/interrupts.hpp"
#include "master/niceness.hpp"
#include "master/occupancy.hpp"
#include "master/run.hpp"
#include "master/run_group.hpp"
#include "master/usable_cpus.hpp"
#include "report/console.hpp"
#include "report/costs_file.hpp"
#include "report/in_order.hpp"
#include "report/job_printer.hpp"
#include "report/printable.hpp"
#include "report/progress.hpp"
#include "report/report_file.hpp"
#include "report/results_file.hpp"
#include "report/store/longest_first.hpp"
#include "report/store/run_store.hpp"
#include "report/summary.hpp"
#include "report/trace.hpp"

namespace runner::cli {

namespace {

int not_started(const Error& error) {
  complain(error);
  return error.code == ErrorCode::system ? kNotAllWell : kNothingRan;
}

Result<config::CheckedBatch> read(const std::string& file, const std::vector<std::string>& plugins, Registry& registry) {
  for (const std::string& plugin : plugins) {
    if (const Result<std::string> loaded = registry.load_plugin(plugin); !loaded) return tl::unexpected(loaded.error());
  }
  return config::read_batch(file, registry);
}

// How many outcomes --keep-order holds back: a crash of this program would lose them.
class HeldBack final : public master::Sink {
 public:
  explicit HeldBack(const std::vector<std::unique_ptr<report::InOrder>>& ordered) : ordered_(ordered) {}
  [[nodiscard]] Result<void> ended(const master::JobRecord&) override {
    std::uint64_t most = 0;
    for (const auto& one : ordered_) most = std::max(most, one->waiting());
    count.store(most, std::memory_order_relaxed);
    return {};
  }
  static inline std::atomic<std::uint64_t> count{0};  // a signal handler reads it

 private:
  const std::vector<std::unique_ptr<report::InOrder>>& ordered_;
};

void say_last(std::string_view job, std::uint64_t told, int signal) {
  report::Keyboard::restore();
  say_crash(job, told - std::min(told, HeldBack::count.load()), signal);
}

// Everything that is told of the run, in the order in which it is told.
class Sinks {
 public:
  Sinks(const Registry& registry, const RunOptions& options)
      : console_(STDOUT_FILENO, STDERR_FILENO),
        results_(registry),
        printer_(console_, results_),
        progress_(console_, options.progress, options.file != "-"),
        summary_(console_, options.results),
        keep_order_(options.keep_order) {}

  [[nodiscard]] Result<void> open(const RunOptions& options) {
    const std::string& results_path = options.results;
    const std::string& costs_path = options.costs;
    add(printer_);
    if (!results_path.empty()) {
      Result<std::unique_ptr<report::ResultsFile>> file = report::ResultsFile::open(results_path, results_);
      if (!file) return tl::unexpected(file.error());
      file_ = std::move(*file);
      add(*file_);
    }
    if (!costs_path.empty()) {
      Result<std::unique_ptr<report::CostsFile>> file = report::CostsFile::open(costs_path);
      if (!file) return tl::unexpected(file.error());
      costs_ = std::move(*file);
      all_.push_back(costs_.get());
    }
    if (!options.trace.empty()) {
      Result<std::unique_ptr<report::Trace>> file =
          report::Trace::open(options.trace, [this](const std::string& text) { notice(text); });
      if (!file) return tl::unexpected(file.error());
      trace_ = std::move(*file);
      all_.push_back(trace_.get());
    }
    if (!options.report.empty()) {
      Result<std::unique_ptr<report::ReportFile>> file = report::ReportFile::open(
          options.report, [this](const master::RunTotals& totals) { return summary_.text(totals); }, command_line());
      if (!file) return tl::unexpected(file.error());
      report_ = std::move(*file);
    }
    all_.push_back(&progress_);
    all_.push_back(&summary_);
    if (report_) all_.push_back(report_.get());  // after the summary, which it quotes
    return {};
  }
  // Before any other: what a person has seen is recorded, or as good as.
  void add_store(report::Sitting sitting) {
    store_ =
        std::make_unique<report::RunStore>(std::move(sitting), results_, [this](const std::string& text) { notice(text); });
    all_.insert(all_.begin(), store_.get());
    const auto line = [this, path = store_->path()](std::string_view job) {
      return store_->records() ? replay_line(path, job) : std::string();
    };
    summary_.replays(line);
    if (report_) report_->replays(line);
  }
  [[nodiscard]] const bool& paused() const { return progress_.paused(); }
  [[nodiscard]] std::int32_t& more_workers() { return progress_.more_workers(); }
  void leave_keys() { progress_.leave_keys(); }
  void skip(const master::EndedBefore& before) {
    for (const auto& ordered : ordered_) {
      ordered->skip([&before](JobId id) { return before.has(id); });
    }
  }
  void notice(const std::string& text) {
    console_.clear();
    for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
      end = text.find('\n', begin);
      console_.err().buffer() += "runner: " + report::printable(text.substr(begin, end - begin)) + "\n";
    }
    // Nobody is left to be told if this fails.
    static_cast<void>(console_.err().end_record());
    static_cast<void>(console_.flush());
  }
  // On the watchdog's thread, while the loop's is inside a job. A closed standard error is the loop's to find out.
  void hear(unsigned interrupts) {
    const master::SinksLent lent;
    static_cast<void>(progress_.interrupted(interrupts));
  }
  // Counts what the others have; so it comes last.
  [[nodiscard]] Result<void> add_last_words() {
    all_.push_back(&held_back_);
    Result<std::unique_ptr<master::LastWords>> words = master::LastWords::install(&say_last, all_);
    if (!words) return tl::unexpected(words.error());
    words_ = std::move(*words);
    told_ = all_;
    told_.push_back(words_.get());
    return {};
  }
  [[nodiscard]] std::span<master::Sink* const> all() const { return words_ ? told_ : all_; }
  [[nodiscard]] std::uint64_t safe() const { return words_ ? words_->safe() : 0; }

  // The run ends here and now, but not what it has achieved.
  [[noreturn]] void give_up(const JobSpec& job, master::StopReason reason) {
    for (const auto& ordered : ordered_) static_cast<void>(ordered->release());
    for (master::Sink* sink : all_) static_cast<void>(sink->flush());
    if (trace_) trace_->salvage();
    if (report_) report_->salvage();
    report::Keyboard::restore();
    console_.clear();
    console_.err().buffer() += stuck_message(job, reason, safe());
    static_cast<void>(console_.err().end_record());
    static_cast<void>(console_.flush());
    ::_exit(reason == master::StopReason::interrupt ? kInterrupted : kNotAllWell);
  }

 private:
  void add(master::Sink& sink) {
    if (keep_order_) {
      all_.push_back(ordered_.emplace_back(std::make_unique<report::InOrder>(sink)).get());
    } else {
      all_.push_back(&sink);
    }
  }

  report::Console console_;
  report::ResultText results_;
  report::JobPrinter printer_;
  report::Progress progress_;
  report::Summary summary_;
  bool keep_order_;
  std::unique_ptr<report::ResultsFile> file_;
  std::unique_ptr<report::CostsFile> costs_;
  std::unique_ptr<report::Trace> trace_;
  std::unique_ptr<report::ReportFile> report_;
  std::unique_ptr<report::RunStore> store_;
  std::vector<std::unique_ptr<report::InOrder>> ordered_;
  HeldBack held_back_{ordered_};
  std::vector<master::Sink*> all_, told_;
  std::unique_ptr<master::LastWords> words_;
};

// What earlier starts of a resumed run left in the store; it counts for the exit status, so it is said.
class RecordedEarlier {
 public:
  explicit RecordedEarlier(const ChosenStore& store) {
    if (!store.plan || !store.sitting) return;
    const master::Counts& counts = store.plan->recorded;
    bad_ = counts.done() - counts.ok - counts.allowed;
    path_ = store.sitting->path;
    run_ = store.plan->run;
  }
  [[nodiscard]] bool all_well() const { return bad_ == 0; }
  [[nodiscard]] std::string text() const {
    return fmt::format("{} recorded earlier did not end well: `{}` lists {}",
                       bad_ == 1 ? "1 outcome" : fmt::format("{} outcomes", bad_), run_line("show", path_, run_),
                       bad_ == 1 ? "it" : "them");
  }

 private:
  std::uint64_t bad_ = 0;
  std::string path_;
  std::int64_t run_ = 0;
};

}  // namespace

// Whoever types at a terminal should know that it is waited for.
Result<config::CheckedBatch> read_exec(const config::ExecSpec& spec) {
  const bool typed = spec.inputs.empty() || std::any_of(spec.inputs.begin(), spec.inputs.end(), [](const config::Input& input) {
                       return input.is_file && input.values.front() == "-";
                     });
  if (typed && ::isatty(STDIN_FILENO) == 1) {
    constexpr std::string_view note = "runner: reading arguments from the terminal, one a line; Ctrl-D ends them\n";
    std::fwrite(note.data(), 1, note.size(), stderr);
  }
  return config::exec_batch(spec);
}

int run_batch(const RunOptions& options) {
  Registry registry;
  Result<config::CheckedBatch> checked =
      options.exec ? read_exec(*options.exec) : read(options.file, options.plugins, registry);
  if (!checked) return not_started(checked.error());
  Batch& batch = checked->batch;
  if (options.dry_run) {
    const Result<void> printed = print_jobs(batch, registry, options.exec.has_value());
    if (printed) return kAllWell;
    complain(printed.error());
    return printed.error().code == ErrorCode::unwritable ? kNotAllWell : kNothingRan;
  }
  return carry_out(options, batch, registry);
}

int carry_out(const RunOptions& options, Batch& batch, Registry& registry) {
  for (const auto& [option, path] : {std::pair("--results", &options.results), std::pair("--costs", &options.costs),
                                     std::pair("--report", &options.report), std::pair("--trace", &options.trace)}) {
    std::error_code unknown;
    if (!path->empty() && std::filesystem::equivalent(options.file, *path, unknown)) {
      return not_started({ErrorCode::usage, fmt::format("{} `{}` is the batch file itself; give another name", option, *path)});
    }
  }
  Sinks sinks(registry, options);
  if (Result<void> opened = sinks.open(options); !opened) return not_started(opened.error());
  Result<ChosenStore> store = choose_store(options, batch);
  if (!store) return not_started(store.error());
  if (options.only_quarantined && store->plan && store->plan->left == 0) {
    // What has an outcome was not the question; whether the batch has changed may be why.
    std::string& plan = store->notices.back();
    const std::size_t changed = std::min(plan.find('\n'), plan.size());
    plan.replace(0, changed, fmt::format("run {}: no job is quarantined, so there is none to run again", store->plan->run));
  }
  for (const std::string& text : store->notices) sinks.notice(text);
  const RecordedEarlier earlier(*store);
  if (store->plan) {
    if (store->plan->left == 0) {
      if (!earlier.all_well()) sinks.notice(earlier.text());
      return earlier.all_well() ? kAllWell : kNotAllWell;
    }
    if (!options.results.empty() && store->sitting) {
      const char* command = options.results.ends_with(".csv") ? "export --format csv" : "export";
      sinks.notice(fmt::format("`{}` will hold the outcomes of this start only; `{}` writes those of the whole run",
                               options.results, run_line(command, store->sitting->path, store->plan->run)));
    }
    batch.size = store->plan->left;
    batch.jobs = std::make_unique<report::RemainingJobs>(std::move(batch.jobs), store->plan->before);
    if (options.only_quarantined) batch.plan.reset();  // what these need had ended before they ran
    sinks.skip(store->plan->before);
  }
  if (!store->first.empty()) {
    batch.jobs = std::make_unique<report::FirstThese>(std::move(batch.jobs), std::move(store->first));
  }
  const master::UsableCpus cpus = master::usable_cpus();
  const std::uint32_t places = options.procs.value_or(default_procs(cpus, options.processors));
  const std::uint32_t widest = most_cpus(batch.demands);
  const std::uint32_t threads = options.threads.value_or(
      threads_of_place(options.mode == Mode::processes ? options.bind : master::Bind::none, widest, places, cpus));
  if (store->sitting) {
    store->sitting->threads = threads;
    sinks.add_store(std::move(*store->sitting));
  }
  const Result<std::unique_ptr<master::Interrupts>> interrupts = master::Interrupts::install();
  if (!interrupts) return not_started(interrupts.error());
  // Jobs that come from standard input leave no keys there.
  if (!batch.size && !batch.jobs->rewind()) sinks.leave_keys();
  master::Interrupts::before_the_end(&report::Keyboard::restore);
  const Result<ipc::SharedState> shared = ipc::SharedState::create(batch.shared);
  if (!shared) return not_started(shared.error());
  if (options.mode != Mode::serial) {
    if (const std::optional<std::string> never = master::never_to_be_had(batch.demands, places))
      return not_started({ErrorCode::bad_batch, *never});
  }
  // Nobody is started who would find nothing to do.
  const std::uint64_t useful = std::max<std::uint64_t>(1, batch.size.value_or(kMostProcs));
  const auto procs = static_cast<std::uint32_t>(std::min<std::uint64_t>(places, useful));
  const master::StuckHandler stuck = [&](const JobSpec& job, master::StopReason reason) { sinks.give_up(job, reason); };
  // Before there is any other thread, or anybody who inherits the environment.
  const ipc::ThreadCaps caps = ipc::ThreadCaps::plan(threads);
  if (const Result<void> capped = caps.set(); !capped) return not_started(capped.error());
  if (options.nice && options.mode != Mode::processes) {
    if (const Result<void> polite = master::be_nice(0, *options.nice); !polite) return not_started(polite.error());
  }
  const std::unique_ptr<master::RunGroup> group = master::RunGroup::make(master::delegation());
  // Before anything that it would have to close: a thread, a zygote.
  const Result<std::unique_ptr<master::Guardian>> guardian = master::Guardian::start(
      options.mode == Mode::processes ? master::Guardian::Orphans::adopt : master::Guardian::Orphans::search,
      group ? group->folder() : std::string());
  if (!guardian) return not_started(guardian.error());
  const std::unique_ptr<master::Engine> engine =
      make_engine(options, procs, cpus, registry, **interrupts, stuck, *shared, options.max_result.value_or(batch.max_result),
                  **guardian, widest, [&](unsigned count) { sinks.hear(count); });
  if (!engine->can_end_jobs()) {
    if (Result<void> ready = sinks.add_last_words(); !ready) return not_started(ready.error());
  }
  const master::GiveUpHandler give_up = [&](const JobSpec& job, std::uint64_t) {
    sinks.give_up(job, (*interrupts)->so_far() > 1 ? master::StopReason::interrupt : master::StopReason::deadline);
  };

  const Result<master::RunAnswer> answer =
      master::run(batch, *engine, sinks.all(), interrupts->get(), give_up, shared->view(), guardian->get(), options.halt,
                  {.cpus = options.mode == Mode::serial ? UINT32_MAX : places,
                   .memory_free = options.memory_free,
                   .read = &master::read_file,
                   .paused = &sinks.paused(),
                   .more_workers = &sinks.more_workers(),
                   .most_workers = kMostProcs},
                  store->plan ? &store->plan->before : nullptr);
  if (!answer) return not_started(answer.error());
  if (answer->trouble) {
    const std::uint64_t safe = answer->totals.counts.done();
    complain({answer->trouble->code, fmt::format("{}; the run was stopped, {} outcome{} came before that",
                                                 answer->trouble->text, safe, safe == 1 ? "" : "s")});
    return kNotAllWell;
  }
  if (answer->totals.interrupted) return kInterrupted;
  if (!earlier.all_well()) sinks.notice(earlier.text());
  return answer->all_well() && earlier.all_well() ? kAllWell : kNotAllWell;
}

int check_batch(const CheckOptions& options) {
  Registry registry;
  const Result<config::CheckedBatch> checked = read(options.file, options.plugins, registry);
  if (!checked) return not_started(checked.error());
  const std::optional<std::uint64_t> size = checked->batch.size;
  const std::string jobs = !size ? "jobs" : fmt::format("{} job{}", *size, *size == 1 ? "" : "s");
  return print(
      fmt::format("{}: ok, {} from {} entr{}{}\n", options.file == "-" ? "<stdin>" : options.file, jobs, checked->entries,
                  checked->entries == 1 ? "y" : "ies",
                  size ? "" : ", as many as there are records in what it reads (looked at up to here: the first ones)"));
}

}  // namespace runner::cli
