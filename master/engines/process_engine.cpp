#include "master/engines/process_engine.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "ipc/os.hpp"
#include "master/engines/binding.hpp"
#include <runner/wire.hpp>

namespace runner::master {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kInboundArena = std::size_t{1} << 20;
// Replies of a streaming queue that nobody rang for are collected at the latest after this.
constexpr Duration kPatience = milliseconds(2);
// A command gets TERM, and KILL after the worker's own grace; a worker that has not answered by then is ended itself.
constexpr Duration kTerminateGrace = std::chrono::seconds(5);
// Deaths in a row that cost no job: workers that cannot live, rather than jobs that kill them.
constexpr std::uint32_t kMostIdleDeaths = 10;
constexpr Duration kShort = milliseconds(10);
// How often it is looked whether a job with a timeout has begun, however much else goes on.
constexpr Duration kLookInterval = milliseconds(10);
constexpr std::size_t kNoSeat = 0;
constexpr int kMostThreads = 1024;  // whose processor time a job can sum up

TimePoint now() { return steady_clock::now(); }

bool is_command(const JobSpec& job) { return std::holds_alternative<CommandWork>(job.work); }

// Jobs that share this take about equally long: the kind, or the program.
std::string_view learnt_by(const JobSpec& job) {
  const auto* command = std::get_if<CommandWork>(&job.work);
  return command != nullptr ? std::string_view(command->argv.front()) : kind_of(job);
}

}  // namespace

std::unique_ptr<Engine> make_process_engine(const ProcessOptions& options, Registry& registry) {
  return std::make_unique<ProcessEngine>(options, registry);
}

ProcessEngine::~ProcessEngine() = default;

// ---- opening ----

Result<void> ProcessEngine::open() {
  const TimePoint began = opened_ = now();
  if (options_.procs == 0 || options_.procs > kMostProcs) {
    return fail(ErrorCode::usage, "the number of worker processes must be from 1 to " + std::to_string(kMostProcs) + ", found " +
                                      std::to_string(options_.procs));
  }
  Result<std::unique_ptr<Launcher>> launcher =
      options_.start == StartMethod::fork ? make_fork_launcher(registry_) : make_spawn_launcher(options_.worker_program);
  if (!launcher) return tl::unexpected(launcher.error());
  launcher_ = std::move(*launcher);
  if (options_.transport == Transport::shm) {
    Result<ipc::Inbound> inbound = ipc::Inbound::create(kInboundArena);
    if (!inbound) return tl::unexpected(inbound.error());
    inbound_.emplace(std::move(*inbound));
  }
  epoll_.reset(os::call("epoll_create1", ::epoll_create1, EPOLL_CLOEXEC));
  if (!epoll_) return os::failure("watch workers", "epoll_create1");
  if (options_.bind == Bind::core) cores_ = plan_cores(options_.procs);

  settings_.transport = options_.transport;
  settings_.geometry = options_.geometry;
  settings_.shared = options_.shared;
  // Never more runnable threads than cores: the master and every worker count.
  settings_.spin = options_.procs < options_.usable_cpus ? std::chrono::microseconds(10) : Duration::zero();
  if (options_.start == StartMethod::spawn) settings_.plugins = registry_.plugins();

  seats_.resize(options_.procs);
  for (std::uint32_t i = 0; i < options_.procs; ++i) {
    if (Result<void> seated = seat_worker(seats_[i], WorkerId{i}); !seated) return seated;
  }
  // One that dies meanwhile is replaced like any other; wait() tells of it.
  while (std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) { return !seat.worker->greeted(); })) {
    const Result<bool> slept = sleep(pending_, TimePoint::max(), -1);
    if (!slept) return tl::unexpected(slept.error());
  }
  const TimePoint ready = now();
  costs_.start = ready - began;
  for (Seat& seat : seats_) seat.idle_since = ready;  // until here it was the start
  return {};
}

std::string ProcessEngine::description() const {
  std::string text = std::to_string(options_.procs) + (options_.procs == 1 ? " worker process (" : " worker processes (");
  text += options_.transport == Transport::shm ? "shm, " : "pipe, ";
  text += options_.start == StartMethod::spawn ? "spawn, " : "fork, ";
  return text + (cores_.empty() ? "not bound to cores)" : "each bound to a core)");
}

Result<void> ProcessEngine::watch(int fd, std::uint32_t events, Watch what, std::size_t seat) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = static_cast<std::uint64_t>(seat) << 32 | static_cast<std::uint32_t>(what);
  if (os::call("epoll_ctl", ::epoll_ctl, epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return os::failure("watch a worker", "epoll_ctl");
  }
  return {};
}

void ProcessEngine::unwatch(int fd) {
  static_cast<void>(os::call("epoll_ctl", ::epoll_ctl, epoll_.get(), EPOLL_CTL_DEL, fd, nullptr));
}

Result<void> ProcessEngine::seat_worker(Seat& seat, WorkerId id) {
  auto started = WorkerProcess::start(id, seat.incarnations, *launcher_, inbound_ ? &*inbound_ : nullptr, settings_);
  if (!started) return tl::unexpected(started.error());
  seat = Seat{.worker = std::move(*started),
              .incarnations = seat.incarnations + 1,
              .unkicked = false,
              .writing = -1,
              .idle_since = {},
              .offered = {},
              .kill_at = {},
              .killed = false,
              .broke_rules = {}};
  WorkerProcess& worker = *seat.worker;
  if (Result<void> on = watch(worker.control(), EPOLLIN, Watch::control, number(id)); !on) return on;
  if (Result<void> on = watch(worker.requester().doorbell(), EPOLLIN, Watch::doorbell, number(id)); !on) return on;
  return watch(worker.pidfd(), EPOLLIN, Watch::pidfd, number(id));
}

Result<void> ProcessEngine::greeted(Seat& seat) {
  WorkerProcess& worker = *seat.worker;
  const Result<bool> ready = worker.greet();
  if (!ready) return tl::unexpected(ready.error());
  if (!*ready) {
    unwatch(worker.control());  // end of file: its death is told by the pidfd
    return {};
  }
  // From now on this socket carries only files that are announced elsewhere.
  unwatch(worker.control());
  if (!cores_.empty()) {
    if (Result<void> bound = bind_process(worker.pid(), cores_[number(worker.id())]); !bound) cores_.clear();
  }
  seat.idle_since = now();
  return {};
}

// ---- handing out ----

std::uint32_t ProcessEngine::allowance(const Seat& seat, bool command, Duration each) const {
  if (!seat.worker || !seat.worker->greeted() || seat.kill_at || seat.worker->requester().full()) return 0;
  const WorkerProcess& worker = *seat.worker;
  // One command is always queued behind the one that runs. What is in a pipe cannot be taken back when that one turns out to be
  // long, so there it waits only for a program that is known to be short.
  if (command && options_.transport == Transport::pipe) return worker.held() == 0 || (worker.held() == 1 && worker.queued() < kShort);
  if (command) return worker.held() < 2 ? 2 - worker.held() : 0;
  const std::uint32_t more = Prefetch::more(worker.held(), worker.queued(), each);
  const std::uint32_t free = options_.geometry.depth - std::min(worker.held(), options_.geometry.depth);
  return std::min(more, free);
}

std::uint32_t ProcessEngine::room() const {
  std::uint32_t room = 0;
  for (const Seat& seat : seats_) room += allowance(seat, last_was_command_, last_expected_);
  return room;
}

void ProcessEngine::start(const JobSpec& job, Attempt attempt) {
  last_was_command_ = is_command(job);
  last_expected_ = expected(job);
  // The worker with the least in hand; among idle ones the one that fell idle last, whose caches are warm.
  Seat* best = nullptr;
  for (Seat& seat : seats_) {
    if (!seat.worker || !seat.worker->greeted() || seat.kill_at || seat.worker->requester().full()) continue;
    if (options_.transport == Transport::pipe && allowance(seat, last_was_command_, last_expected_) == 0) continue;
    if (best == nullptr || seat.worker->queued() < best->worker->queued() ||
        (seat.worker->held() == 0 && best->worker->held() == 0 && seat.idle_since > best->idle_since)) {
      best = &seat;
    }
  }
  if (best == nullptr) {
    pending_.emplace_back(JobReturned{job.id, attempt});  // the room that was seen died meanwhile
    return;
  }
  hand_over(*best, job, attempt);
}

void ProcessEngine::hand_over(Seat& seat, const JobSpec& job, Attempt attempt) {
  if (seat.worker->held() == 0) seat.offered = now();
  if (Result<void> given = seat.worker->give(job, attempt, expected(job)); !given) {
    Outcome outcome;
    outcome.ending = Failed{"it could not be sent to a worker: " + given.error().text};
    pending_.emplace_back(JobEnded{job.id, attempt, seat.worker->id(), std::move(outcome)});
    return;
  }
  seat.unkicked = true;
}

// How long it will take, by what was measured. A program that was never run before is not taken for a short one.
Duration ProcessEngine::expected(const JobSpec& job) const {
  if (is_command(job) && !prefetch_.known(learnt_by(job))) return kShort;
  return prefetch_.expected(learnt_by(job));
}

// Nobody waits behind a long job while another worker has nothing to do.
void ProcessEngine::rebalance() {
  for (Seat& idle : seats_) {
    if (!idle.worker || !idle.worker->greeted() || idle.worker->held() != 0 || idle.kill_at) continue;
    Seat* richest = nullptr;
    for (Seat& seat : seats_) {
      if (!seat.worker || seat.worker->held() < 2) continue;
      if (richest == nullptr || seat.worker->queued() > richest->worker->queued()) richest = &seat;
    }
    if (richest == nullptr) return;
    // Half of what is unbegun; at least one.
    for (std::uint32_t n = std::max(1U, (richest->worker->held() - 1) / 2); n > 0; --n) {
      const std::optional<InHand> job = richest->worker->take_back_newest();
      if (!job) break;
      hand_over(idle, *job->job, job->attempt);
    }
  }
}

void ProcessEngine::kick_all() {
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    Seat& seat = seats_[i];
    if (!seat.unkicked || !seat.worker) continue;
    seat.unkicked = false;
    // A connection that does not take it is a worker that is dying: its pidfd tells.
    static_cast<void>(seat.worker->requester().kick());
    const int blocked = seat.worker->requester().blocked_fd();
    if (blocked >= 0 && seat.writing < 0 && watch(blocked, EPOLLOUT, Watch::writable, i)) seat.writing = blocked;
  }
}

// ---- ending jobs ----

void ProcessEngine::stop(JobId id, Attempt attempt, StopReason reason) {
  for (Seat& seat : seats_) {
    if (!seat.worker) continue;
    collect(seat, pending_);  // it may have ended meanwhile
    for (InHand& job : seat.worker->hand()) {
      if (job.taken_back || job.job->id != id || job.attempt != attempt) continue;
      if (job.stopping) return;
      if (seat.worker->requester().take_back(job.ticket)) {
        pending_.emplace_back(JobReturned{id, attempt});  // not begun: nothing to end
        seat.worker->forget(job);
        return;
      }
      job.stopping = reason;
      if (&job == seat.worker->head()) end_head(seat);
      return;
    }
  }
}

// Ends the job that its worker is in. One that was told to stop while another was in front of it comes here when that has ended.
void ProcessEngine::end_head(Seat& seat) {
  InHand* head = seat.worker->head();
  if (head == nullptr || !head->stopping) return;
  if (is_command(*head->job) && seat.worker->terminate(head->ticket)) {
    seat.kill_at = now() + kTerminateGrace;
  } else {
    kill(seat);
  }
}

void ProcessEngine::kill(Seat& seat) {
  seat.killed = true;
  seat.worker->kill();
}

void ProcessEngine::take_back() {
  for (Seat& seat : seats_) {
    if (!seat.worker) continue;
    while (const std::optional<InHand> job = seat.worker->take_back_newest()) {
      pending_.emplace_back(JobReturned{job->job->id, job->attempt});
    }
  }
}

void ProcessEngine::escalate(TimePoint at) {
  for (Seat& seat : seats_) {
    if (seat.kill_at && at >= *seat.kill_at) {
      seat.kill_at = at + kTerminateGrace;
      kill(seat);
    }
  }
}

// ---- collecting ----

void ProcessEngine::collect(Seat& seat, std::vector<EngineEvent>& events) {
  if (!seat.worker || !seat.broke_rules.empty()) return;
  ipc::Completion completion;
  InHand job;
  for (;;) {
    const Result<bool> got = seat.worker->collect(completion, job);
    if (!got) {
      // Bytes of a worker are input. One that breaks the rules is ended and takes the way of the dead.
      seat.broke_rules = got.error().text;
      seat.worker->kill();
      return;
    }
    if (!*got) return;
    if (Result<void> plausible = check(completion, *job.job); !plausible) {
      seat.broke_rules = plausible.error().text;
      seat.worker->kill();
      completion.reply.outcome = Outcome{};
      completion.reply.outcome.ending = Crashed{0, "its worker broke the protocol: " + seat.broke_rules};
      completion.entered = completion.finished = TimePoint{};
    }
    finish(seat, completion, job, events);
    if (!seat.broke_rules.empty()) return;
  }
}

// A reply that reads well may still tell of times that would overflow a sum, or bring bytes that are no result of its kind.
Result<void> ProcessEngine::check(const ipc::Completion& completion, const JobSpec& job) const {
  constexpr Duration unremarkable = std::chrono::hours(1);
  const Outcome& outcome = completion.reply.outcome;
  const auto fits = [&](Duration span, Duration limit) {
    return span >= Duration::zero() && (span <= unremarkable || span <= limit);
  };
  const TimePoint at = now();
  const Duration age = at - opened_ + unremarkable;
  if (!fits(outcome.wall, age) || !fits(outcome.cpu, age * kMostThreads) || completion.entered > at || completion.finished > at) {
    return fail(ErrorCode::protocol, "a reply tells of times that cannot be");
  }
  if (const auto* typed = std::get_if<TypedWork>(&job.work); typed != nullptr && succeeded(outcome)) {
    if (!registry_.find(typed->kind)->is_result(as_bytes(outcome.result))) {
      return fail(ErrorCode::protocol, "a reply brings bytes that are no result of the kind `" + typed->kind + "`");
    }
  }
  return {};
}

void ProcessEngine::finish(Seat& seat, ipc::Completion& completion, const InHand& job, std::vector<EngineEvent>& events) {
  Outcome outcome = std::move(completion.reply.outcome);
  prefetch_.learn(learnt_by(*job.job), outcome.wall);
  costs_.execute += outcome.wall;
  costs_.execute_cpu += outcome.cpu;
  if (const TimePoint waiting = std::max(seat.idle_since, seat.offered); completion.entered > waiting) {
    costs_.ipc += completion.entered - waiting;
  }
  idle_deaths_ = 0;
  seat.idle_since = std::max(seat.idle_since, completion.finished);
  last_finish_ = std::max(last_finish_, completion.finished);
  if (job.stopping) {
    seat.kill_at.reset();
    if (completion.reply.terminated) {
      outcome.ending =
          *job.stopping == StopReason::deadline ? Ending(TimedOut{job.job->timeout}) : Ending(Cancelled{"interrupted"});
    }
  }
  events.emplace_back(JobEnded{job.job->id, job.attempt, seat.worker->id(), std::move(outcome)});
  if (!seat.killed) end_head(seat);
}

// A time that a worker tells of, as far as it can be true.
TimePoint ProcessEngine::past(TimePoint told) const { return std::clamp(told, opened_, now()); }

void ProcessEngine::tell_starts(std::vector<EngineEvent>& events) {
  for (Seat& seat : seats_) {
    if (!seat.worker) continue;
    InHand* head = seat.worker->head();
    if (head == nullptr || head->announced || head->job->timeout == Duration::zero()) continue;
    if (const std::optional<TimePoint> at = seat.worker->requester().entered(head->ticket)) {
      head->announced = true;
      events.emplace_back(JobStarted{head->job->id, head->attempt, seat.worker->id(), past(*at)});
    }
  }
}

Outcome ProcessEngine::death_of(const Seat& seat, const InHand& job, const WorkerProcess::Death& death) const {
  Outcome outcome;
  if (job.stopping) {
    outcome.ending =
        *job.stopping == StopReason::deadline ? Ending(TimedOut{job.job->timeout}) : Ending(Cancelled{"interrupted"});
  } else if (!seat.broke_rules.empty()) {
    outcome.ending = Crashed{0, "its worker broke the protocol: " + seat.broke_rules};
  } else {
    outcome.ending = Crashed{death.signal, death.signal != 0 ? std::string() : "its worker " + death.how};
  }
  if (const std::optional<TimePoint> entered = seat.worker->requester().entered(job.ticket)) {
    outcome.wall = now() - past(*entered);
  }
  return outcome;
}

// Takes a dead incarnation apart and seats the next one.
Result<void> ProcessEngine::buried(Seat& seat, std::vector<EngineEvent>& events) {
  WorkerProcess& worker = *seat.worker;
  collect(seat, events);  // what was published before the death is valid
  const WorkerProcess::Death death = worker.reap();
  bool charged = false;
  for (const InHand& job : worker.hand()) {
    if (job.taken_back) continue;
    // Untouched, or hit by a kill that was meant for the job before it.
    if (worker.requester().fate(job.ticket) == ipc::Fate::untouched || (seat.killed && !job.stopping)) {
      events.emplace_back(JobReturned{job.job->id, job.attempt});
      continue;
    }
    charged = true;
    Outcome outcome = death_of(seat, job, death);
    costs_.execute += outcome.wall;
    events.emplace_back(JobEnded{job.job->id, job.attempt, worker.id(), std::move(outcome)});
  }
  if (!seat.killed) {
    ++lost_;
    const std::string how = seat.broke_rules.empty() ? death.how : "broke the protocol (" + seat.broke_rules + ")";
    events.emplace_back(WorkerLost{worker.id(), how});
    idle_deaths_ = charged ? 0 : idle_deaths_ + 1;
    if (idle_deaths_ >= kMostIdleDeaths) {
      return fail(ErrorCode::system,
                  std::to_string(kMostIdleDeaths) + " workers in a row ended without having run a job; the last one " + how);
    }
  }
  const WorkerId id = worker.id();
  // Closing is not enough: what a process on its way to exec, or a child of the job, has inherited stays open and watched, and
  // the death of this worker would be told again as that of the next one.
  for (const int fd : {worker.requester().doorbell(), worker.pidfd(), worker.control(), seat.writing}) {
    if (fd >= 0) unwatch(fd);
  }
  seat.worker.reset();
  return seat_worker(seat, id);
}

// ---- waiting ----

Result<void> ProcessEngine::wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) {
  for (;;) {
    events.insert(events.end(), std::make_move_iterator(pending_.begin()), std::make_move_iterator(pending_.end()));
    pending_.clear();
    for (Seat& seat : seats_) collect(seat, events);
    rebalance();
    kick_all();
    const TimePoint at = now();
    if (events.empty() || at - looked_ >= kLookInterval) {
      looked_ = at;
      tell_starts(events);
    }
    if (!events.empty()) {
      patient_ = true;
      return {};
    }
    escalate(at);
    if (at >= until) return {};
    arm_doorbells();
    const TimePoint look = std::min({until, next_look(at), lazy_ ? at + kPatience : TimePoint::max()});
    const Result<bool> woken = sleep(events, look, wake_fd);
    if (!woken) return tl::unexpected(woken.error());
    if (*woken) return {};
  }
}

// When the job that a worker enters next, unseen, could be late at the earliest; or a command is to be ended the hard way.
TimePoint ProcessEngine::next_look(TimePoint at) const {
  TimePoint look = TimePoint::max();
  for (const Seat& seat : seats_) {
    if (seat.kill_at) look = std::min(look, *seat.kill_at);
    if (!seat.worker) continue;
    for (const InHand& job : seat.worker->hand()) {
      if (job.taken_back || job.announced || job.job->timeout == Duration::zero()) continue;
      look = std::min(look, at + std::min<Duration>(job.job->timeout, std::chrono::hours(24)));
    }
  }
  return look;
}

void ProcessEngine::arm_doorbells() {
  lazy_ = false;
  for (Seat& seat : seats_) {
    InHand* head = seat.worker ? seat.worker->head() : nullptr;
    if (head == nullptr) continue;
    ipc::Ticket from = head->ticket;
    if (patient_ && seat.worker->held() > 2 && seat.worker->queued() <= Prefetch::kWindow) {
      // A short queue: one ring when half of it is done, instead of one for each job.
      const InHand& middle = seat.worker->hand()[seat.worker->hand().size() / 2];
      if (!middle.taken_back) from = middle.ticket;
      lazy_ = true;
    }
    seat.worker->requester().arm(from);
  }
}

bool ProcessEngine::anything_done() {
  return std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
    InHand* head = seat.worker ? seat.worker->head() : nullptr;
    return head != nullptr && seat.worker->requester().done(head->ticket);
  });
}

Result<bool> ProcessEngine::sleep(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) {
  if (inbound_) inbound_->sleep_begins();
  const bool asleep = !inbound_ || !anything_done();
  if (wake_fd >= 0) static_cast<void>(watch(wake_fd, EPOLLIN, Watch::wake, kNoSeat));
  std::array<epoll_event, 64> ready{};
  int count = 0;
  {
    const Duration left = !asleep ? Duration::zero() : until == TimePoint::max() ? Duration::max() : until - now();
    const timespec limit{static_cast<time_t>(std::max<std::int64_t>(0, left.count()) / 1'000'000'000),
                         static_cast<long>(std::max<std::int64_t>(0, left.count()) % 1'000'000'000)};
    count = os::call("epoll_pwait2", ::epoll_pwait2, epoll_.get(), ready.data(), static_cast<int>(ready.size()),
                     left == Duration::max() ? nullptr : &limit, nullptr);
  }
  const int error = errno;
  if (inbound_) inbound_->sleep_ends();
  if (wake_fd >= 0) unwatch(wake_fd);
  if (count < 0 && error != EINTR) return os::failure("wait for workers", "epoll_pwait2", error);
  if (count == 0 && asleep && lazy_) patient_ = false;  // nobody rang for a short queue: it is not short

  bool woken = count < 0;  // a signal
  for (int i = 0; i < count; ++i) {
    const std::uint64_t data = ready[static_cast<std::size_t>(i)].data.u64;
    const auto what = static_cast<Watch>(static_cast<std::uint32_t>(data));
    if (what == Watch::wake) {
      woken = true;
      continue;
    }
    Seat& seat = seats_[data >> 32];
    switch (what) {
      case Watch::control: {
        if (Result<void> greeting = greeted(seat); !greeting) return tl::unexpected(greeting.error());
        woken = true;  // there is room again
        break;
      }
      case Watch::doorbell: seat.worker->requester().hush(); break;
      case Watch::pidfd: {
        if (Result<void> next = buried(seat, events); !next) return tl::unexpected(next.error());
        return true;  // other readiness in this batch may speak of descriptors that are gone
      }
      case Watch::writable: {
        static_cast<void>(seat.worker->requester().kick());
        if (seat.worker->requester().blocked_fd() < 0) unwatch(std::exchange(seat.writing, -1));
        break;
      }
      case Watch::wake: break;
    }
  }
  return woken || !events.empty();
}

std::vector<WorkerView> ProcessEngine::view() const {
  std::vector<WorkerView> views;
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    const Seat& seat = seats_[i];
    WorkerView view{WorkerId{static_cast<std::uint32_t>(i)}, {}, seat.idle_since};
    InHand* head = seat.worker ? seat.worker->head() : nullptr;
    if (head != nullptr) {
      if (const std::optional<TimePoint> entered = seat.worker->requester().entered(head->ticket)) {
        view.job = head->job->id;
        view.since = past(*entered);
      }
    }
    views.push_back(view);
  }
  return views;
}

EngineCosts ProcessEngine::close() {
  std::vector<pollfd> alive;
  for (Seat& seat : seats_) {
    if (!seat.worker) continue;
    // A replacement that has not greeted yet waits for nothing.
    if (seat.worker->greeted() && last_finish_ > seat.idle_since) costs_.tail += last_finish_ - seat.idle_since;
    if (const InHand* head = seat.worker->head(); head != nullptr && is_command(*head->job)) {
      seat.worker->hang_up();  // killed, it would leave what the command has started
    } else if (head != nullptr) {
      seat.worker->kill();
    } else {
      seat.worker->close();
    }
    alive.push_back({seat.worker->pidfd(), POLLIN, 0});
  }
  // An idle worker leaves within microseconds; one that does not in a second is ended by its destructor.
  const TimePoint patience = now() + std::chrono::seconds(1);
  for (pollfd& one : alive) {
    // Not retried blindly: an impatient person's signals must not renew our patience.
    for (std::int64_t left = 1; left > 0 && one.revents == 0;) {
      left = std::max<std::int64_t>(0, std::chrono::duration_cast<milliseconds>(patience - now()).count());
      static_cast<void>(os::call("poll", ::poll, &one, nfds_t{1}, static_cast<int>(left)));
    }
  }
  seats_.clear();
  launcher_.reset();
  costs_.workers_lost = lost_;
  return costs_;
}

}  // namespace runner::master
