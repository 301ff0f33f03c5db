#include "cli/trial.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cli/complain.hpp"
#include "cli/make_engine.hpp"
#include "cli/shares.hpp"
#include "ipc/os.hpp"
#include "ipc/thread_caps.hpp"
#include "master/delegation.hpp"
#include "master/engines/last_words.hpp"
#include "master/occupancy.hpp"
#include "master/run.hpp"
#include "master/run_group.hpp"
#include "report/costs_json.hpp"
#include "report/output_file.hpp"

namespace runner::cli {

namespace {

using Json = nlohmann::ordered_json;

// ---- in the process of the trial ----

// Into memory that was cleared; in a handler of signals too.
void copy_name(std::string_view name, char (&to)[256]) { name.copy(to, sizeof to - 1); }

ResultHashes::Shared* telling = nullptr;  // for a handler of signals

void note_crash(std::string_view job, std::uint64_t, int signal) {
  telling->signal = signal;
  copy_name(job, telling->crashed_job);
}

// What became of each job, whoever ran it and in whatever order; and the memory of commands, which the engine does not see.
class Hashing final : public master::Sink {
 public:
  explicit Hashing(const ResultHashes& hashes) : hashes_(hashes) {}
  [[nodiscard]] Result<void> ended(const master::JobRecord& record) override {
    const Outcome& outcome = record.outcome;
    const std::hash<std::string_view> hash;
    std::uint64_t value = hash(status_word(outcome.ending));
    for (const std::string_view part : {outcome.result.text(), std::string_view(outcome.out.text)}) {
      value = (value ^ hash(part)) * 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
    }
    value = (value ^ static_cast<std::uint64_t>(outcome.exit_code.value_or(0))) * 0x9e3779b97f4a7c15;
    value = (value ^ number(record.job.id)) * 0x9e3779b97f4a7c15;
    value |= 1;  // 0: it has none
    const std::span<std::uint64_t> jobs = hashes_.jobs();
    if (number(record.job.id) < jobs.size()) jobs[number(record.job.id)] = value;
    hashes_.shared().sum += value;
    if (!succeeded(outcome) && hashes_.shared().not_ok++ == 0) copy_name(record.job.name, hashes_.shared().not_ok_job);
    if (record.worker && std::holds_alternative<CommandWork>(record.job.work)) {
      Bytes& most = commands_[number(*record.worker)];
      most = std::max(most, outcome.peak_memory.value_or(Bytes{}));
    }
    return {};
  }
  // The most that one command of each worker had, summed.
  [[nodiscard]] Bytes commands_peak() const {
    Bytes all{};
    for (const auto& [worker, most] : commands_) all.count += most.count;
    return all;
  }

 private:
  const ResultHashes& hashes_;
  std::map<std::uint32_t, Bytes> commands_;  // by worker
};

// All but those whose effects must not be had again.
class Repeatable final : public JobSource {
 public:
  Repeatable(JobSource& all, ResultHashes::Shared& told) : all_(all), told_(told) {}
  [[nodiscard]] Result<bool> next(JobSpec& job) override {
    for (;;) {
      Result<bool> more = all_.next(job);
      if (!more || !*more || job.repeatable) return more;
      if (told_.left_out++ == 0) copy_name(job.name, told_.left_out_job);
    }
  }
  [[nodiscard]] bool direct() const override { return all_.direct(); }
  [[nodiscard]] Result<void> at(JobId id, JobSpec& job) override { return all_.at(id, job); }
  [[nodiscard]] int awaited() override { return all_.awaited(); }

 private:
  JobSource& all_;
  ResultHashes::Shared& told_;
};

struct Given {
  const RunOptions& options;
  std::uint32_t procs;
  Batch& batch;
  Registry& registry;
  const ResultHashes& hashes;
};

Json answer_of(const master::RunAnswer& answer, Bytes commands_peak) {
  const master::Costs& costs = answer.totals.costs;
  const master::Account all = costs.all_workers();
  Json uses = Json::array();
  for (std::size_t i = 0; i < master::kUses; ++i) uses.push_back(all[static_cast<master::Use>(i)].count());
  std::string object;
  report::append_costs(object, costs);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {
      {"wall", costs.wall.count()},
      {"start", costs.start.count()},
      {"stop", (all[master::Use::stop] / std::max<std::int64_t>(1, static_cast<std::int64_t>(costs.workers.size()))).count()},
      {"peak", static_cast<std::uint64_t>(usage.ru_maxrss) * 1024 + costs.workers_peak.count + commands_peak.count},
      {"workers", uses},
      {"worker_seconds", costs.worker_seconds().count()},
      {"execute", costs.attempts[master::Span::execute].count()},
      {"jobs", answer.totals.counts.done()},
      {"sent", costs.bytes_sent},
      {"received", costs.bytes_received},
      {"costs", object},
      {"interrupted", answer.totals.interrupted}};
}

Json why_not(const std::string& text) { return {{"why_not", text}}; }

Json run_here(const Given& given, int answers) {
  const auto [options, procs, batch, registry, hashes] = given;
  if (!batch.jobs->rewind()) return why_not("its jobs can be had only once");
  const std::unique_ptr<JobSource> all = std::move(batch.jobs);
  batch.jobs = std::make_unique<Repeatable>(*all, hashes.shared());
  if (options.mode != Mode::serial) {
    if (const std::optional<std::string> never = master::never_to_be_had(batch.demands, procs)) return why_not(*never);
  }
  const Result<std::unique_ptr<master::Interrupts>> interrupts = master::Interrupts::install();
  if (!interrupts) return why_not(interrupts.error().text);
  const Result<ipc::SharedState> shared = ipc::SharedState::create(batch.shared);
  if (!shared) return why_not(shared.error().text);
  const master::UsableCpus cpus = master::usable_cpus();
  const std::uint32_t widest = most_cpus(batch.demands);
  const ipc::ThreadCaps caps = ipc::ThreadCaps::plan(
      threads_of_place(options.mode == Mode::processes ? options.bind : master::Bind::none, widest, procs, cpus));
  if (const Result<void> capped = caps.set(); !capped) return why_not(capped.error().text);
  const std::unique_ptr<master::RunGroup> group = master::RunGroup::make(master::delegation());
  const Result<std::unique_ptr<master::Guardian>> guardian = master::Guardian::start(
      options.mode == Mode::processes ? master::Guardian::Orphans::adopt : master::Guardian::Orphans::search,
      group ? group->folder() : std::string());
  if (!guardian) return why_not(guardian.error().text);
  // A job that does not return can be ended in no other way than with this process.
  const auto stuck = [answers](const JobSpec& job) {
    const std::string text =
        why_not(fmt::format("`{}` did not return at its timeout, and only a process can be ended", job.name)).dump();
    static_cast<void>(os::retry("write", ::write, answers, static_cast<const void*>(text.data()), text.size()));
    ::_exit(0);
  };
  const std::unique_ptr<master::Engine> engine = make_engine(
      options, procs, cpus, registry, **interrupts, [&](const JobSpec& job, master::StopReason) { stuck(job); }, *shared,
      batch.max_result, **guardian, widest);
  Hashing hashing(hashes);
  std::vector<master::Sink*> sinks{&hashing};
  telling = &hashes.shared();
  std::unique_ptr<master::LastWords> words;
  if (!engine->can_end_jobs()) {
    Result<std::unique_ptr<master::LastWords>> installed = master::LastWords::install(&note_crash, sinks);
    if (!installed) return why_not(installed.error().text);
    words = std::move(*installed);
  }
  const master::GiveUpHandler give_up = [&](const JobSpec& job, std::uint64_t) { stuck(job); };
  const Result<master::RunAnswer> answer =
      master::run(batch, *engine, sinks, interrupts->get(), give_up, shared->view(), guardian->get(), std::nullopt,
                  {.cpus = options.mode == Mode::serial ? UINT32_MAX : procs});
  if (!answer) return why_not(answer.error().text);
  if (answer->trouble) return why_not(answer->trouble->text);
  return answer_of(*answer, hashing.commands_peak());
}

// Nobody wants to see each result twenty times.
void hush() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, stream);
  ::close(null);
}

[[noreturn]] void trial(const Given& given, int answers, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kInterrupted);
  hush();
  std::string text;
  try {
    text = run_here(given, answers).dump();
  } catch (const std::exception& error) {
    text = why_not(error.what()).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  static_cast<void>(os::retry("write", ::write, answers, static_cast<const void*>(text.data()), text.size()));
  ::_exit(0);
}

// ---- here ----

Duration duration_of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

report::Sample sample_of(const Json& told, const rusage& usage) {
  report::Sample sample;
  const auto ns = [&](const char* key) { return Duration(told.at(key).get<std::int64_t>()); };
  sample.wall = ns("wall");
  sample.start = ns("start");
  sample.stop = ns("stop");
  sample.cpu = duration_of(usage.ru_utime) + duration_of(usage.ru_stime);
  sample.peak_memory = Bytes{told.at("peak").get<std::uint64_t>()};
  for (std::size_t i = 0; i < master::kUses; ++i) {
    sample.workers[static_cast<master::Use>(i)] = Duration(told.at("workers").at(i).get<std::int64_t>());
  }
  sample.worker_seconds = ns("worker_seconds");
  sample.execute = ns("execute");
  sample.jobs = told.at("jobs").get<std::uint64_t>();
  sample.bytes_sent = told.at("sent").get<std::uint64_t>();
  sample.bytes_received = told.at("received").get<std::uint64_t>();
  sample.costs = told.at("costs").get<std::string>();
  return sample;
}

std::string read_all(int fd) {
  std::string text;
  char part[4096];
  for (ssize_t got = 0;
       (got = os::retry("pread", ::pread, fd, static_cast<void*>(part), sizeof part, static_cast<off_t>(text.size()))) > 0;) {
    text.append(part, static_cast<std::size_t>(got));
  }
  return text;
}

std::string how_it_died(int status, const ResultHashes::Shared& told) {
  if (told.crashed_job[0] != '\0') {
    return fmt::format(
        "the job `{}` crashed with {} and took the whole program with it; a process of its own would have cost that job",
        told.crashed_job, signal_name(told.signal));
  }
  if (WIFSIGNALED(status)) return fmt::format("the program died of {} in it", signal_name(WTERMSIG(status)));
  return fmt::format("a job ended the whole program with exit status {}", WEXITSTATUS(status));
}

}  // namespace

Result<ResultHashes> ResultHashes::make(std::uint64_t jobs) {
  jobs = std::min(jobs, kMost);
  const std::size_t bytes = sizeof(Shared) + jobs * sizeof(std::uint64_t);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return os::failure("compare results", "mmap");
  return ResultHashes(memory, jobs);
}

ResultHashes::~ResultHashes() {
  if (memory_ != nullptr) ::munmap(memory_, sizeof(Shared) + jobs_ * sizeof(std::uint64_t));
}

ResultHashes::ResultHashes(ResultHashes&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), jobs_(other.jobs_) {}

std::span<std::uint64_t> ResultHashes::jobs() const {
  return {reinterpret_cast<std::uint64_t*>(static_cast<std::byte*>(memory_) + sizeof(Shared)), jobs_};
}

void ResultHashes::clear() const { std::memset(memory_, 0, sizeof(Shared) + jobs_ * sizeof(std::uint64_t)); }

Result<Tried> try_out(const RunOptions& options, std::uint32_t procs, Batch& batch, Registry& registry,
                      const ResultHashes& hashes, const Interruption& interruption) {
  Result<report::OutputFile> answers = report::OutputFile::temporary();
  if (!answers) return tl::unexpected(answers.error());
  hashes.clear();
  const pid_t parent = ::getpid();
  const pid_t child = interruption.fork();
  if (child < 0) return os::failure("start a trial", "fork");
  if (child == 0) trial({options, procs, batch, registry, hashes}, answers->fd(), parent);
  siginfo_t ended{};
  while (::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) < 0) {
    if (errno != EINTR) return os::failure("wait for a trial", "waitid");
  }
  interruption.reaped();  // before its number may be another's
  int status = 0;
  rusage usage{};
  while (::wait4(child, &status, 0, &usage) < 0) {
    if (errno != EINTR) return os::failure("wait for a trial", "wait4");
  }
  Tried tried;
  tried.interrupted = interruption.came();
  const std::string text = read_all(answers->fd());
  const Json told = Json::parse(text, nullptr, false);
  if (!told.is_object()) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == kInterrupted) tried.interrupted = true;
    tried.why_not = how_it_died(status, hashes.shared());
    return tried;
  }
  if (told.contains("why_not")) {
    tried.why_not = told.at("why_not").get<std::string>();
    return tried;
  }
  if (told.at("interrupted").get<bool>()) tried.interrupted = true;
  tried.sample = sample_of(told, usage);
  return tried;
}

}  // namespace runner::cli
