#include "master/engines/process_engine.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "ipc/clock.hpp"
#include "ipc/os.hpp"
#include "ipc/process_tree.hpp"
#include "master/engines/run_here.hpp"
#include "master/engines/sleep.hpp"
#include "master/engines/worker_answer.hpp"

namespace runner::master {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A command gets TERM, and KILL from its worker after its kill_after; a worker that has not answered so long after that is ended itself.
constexpr Duration kTerminateGrace = std::chrono::seconds(3);
// How often it is looked at the memory of a typed job that has a limit.
constexpr Duration kMemoryLook = milliseconds(20);
constexpr Duration kShort = milliseconds(10);
// How often it is looked whether a job with a timeout has begun, however much else goes on.
constexpr Duration kTimeoutLook = milliseconds(10);
// A job that takes longer than this, and than was to be expected, has nothing waiting behind it.
constexpr Duration kLong = milliseconds(2);
constexpr const char* kOomKiller = "the kernel ended it for want of memory (its cgroup counts one more oom_kill)";

// Jobs that share this take about equally long: the kind, or the program.
std::string_view learnt_by(const JobSpec& job) {
  const auto* command = std::get_if<CommandWork>(&job.work);
  return command != nullptr ? std::string_view(command->argv.front()) : kind_of(job);
}

}  // namespace

std::unique_ptr<Engine> make_process_engine(const ProcessOptions& options, Registry& registry) {
  return std::make_unique<ProcessEngine>(options, registry);
}

// ---- opening ----

Result<void> ProcessEngine::open() {
  opened_ = now();
  ledger_.open(options_.procs, opened_);
  seats_.resize(options_.procs);
  if (Result<void> opened = crew_.open(); !opened) return opened;
  const TimePoint ready = now();
  ledger_.all_there(ready);
  for (Seat& seat : seats_) {
    seat.idle_since = ready;  // until here it was the start
    ledger_.arrived(number(id_of(seat)), ready);
  }
  return {};
}

void ProcessEngine::seated(std::uint32_t seat) {
  seats_[seat] = Seat{};
  seats_[seat].hand.emplace(crew_.worker(seat).requester());
  seats_[seat].idle_since = now();
  ledger_.arrived(seat, seats_[seat].idle_since);
}

// ---- more workers, or fewer ----

Result<void> ProcessEngine::resize(std::uint32_t procs) {
  const std::uint32_t before = crew_.wanted();
  const TimePoint at = now();
  const Result<void> resized = crew_.resize(procs);
  for (std::size_t i = seats_.size(); i < crew_.size(); ++i) seats_.emplace_back().unwanted = true;
  for (std::uint32_t i = before; i < crew_.wanted(); ++i) {
    Seat& seat = seats_[i];
    seat.unwanted = false;  // who still sits there stays, or is followed by another
    if (!seat.hand && seat.dismissed == TimePoint{}) seat.idle_since = at;
    ledger_.joined(i, at);
  }
  let_go_unwanted();
  dismiss_idle();
  return resized;
}

void ProcessEngine::given_up(std::uint32_t seat, const std::string& why) {
  pending_.emplace_back(WorkerRefused{WorkerId{seat}, why});
  let_go_unwanted();
}

// Those of the higher numbers that were wanted until now.
void ProcessEngine::let_go_unwanted() {
  for (std::uint32_t i = crew_.wanted(); i < seats_.size(); ++i) {
    Seat& seat = seats_[i];
    if (std::exchange(seat.unwanted, true)) continue;
    if (seat.hand) {
      give_back(seat.hand->take_back_all());
    } else if (seat.dismissed == TimePoint{}) {
      dismiss(seat);  // it has not even begun
    }
  }
}

void ProcessEngine::dismiss(Seat& seat) {
  if (seat.hand) count_traffic(seat);
  seat.hand.reset();
  seat.dismissed = now();
  seat.kill_at = seat.dismissed + kTerminateGrace;
  crew_.dismiss(number(id_of(seat)));
}

// Those that are not wanted, once they have answered all they had.
void ProcessEngine::dismiss_idle() {
  for (std::size_t i = crew_.wanted(); i < seats_.size(); ++i) {
    Seat& seat = seats_[i];
    if (seat.unwanted && seat.hand && seat.hand->held() == 0 && !seat.killed && seat.broke_rules.empty()) dismiss(seat);
  }
}

void ProcessEngine::left(std::uint32_t number_of_seat) {
  Seat& seat = seats_[number_of_seat];
  const TimePoint at = now();
  ledger_.left(number_of_seat, seat.dismissed == TimePoint{} ? at : seat.dismissed, at);
  seat = Seat{};
  seat.unwanted = number_of_seat >= crew_.wanted();
  seat.idle_since = at;
  if (!seat.unwanted) ledger_.joined(number_of_seat, at);
}

// ---- handing out ----

std::uint32_t ProcessEngine::allowance(const Seat& seat, bool command, Duration each) const {
  if (!open_to(seat)) return 0;
  const Hand& hand = *seat.hand;
  if (command) return hand.held() < 2 ? 2 - hand.held() : 0;  // one is always queued behind the one that runs
  const std::uint32_t more = Prefetch::more(hand.held(), hand.queued(), each);
  const std::uint32_t free = options_.geometry.depth - std::min(hand.held(), options_.geometry.depth);
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
    if (!open_to(seat)) continue;
    if (best == nullptr || seat.hand->queued() < best->hand->queued() ||
        (seat.hand->held() == 0 && best->hand->held() == 0 && seat.idle_since > best->idle_since)) {
      best = &seat;
    }
  }
  if (best == nullptr) {
    pending_.emplace_back(JobReturned{job.id, attempt});  // the room that was seen died meanwhile
    return;
  }
  InHand given{.job = &job, .attempt = attempt, .expected = last_expected_};
  if (ledger_.keeps()) {
    given.sample = ledger_.sample(last_expected_);
    given.ready = given.handed = given.sample.sampled ? now() : burst();
  }
  hand_over(*best, given);
}

// Attempts that are not sampled share one reading of the clock.
TimePoint ProcessEngine::burst() {
  if (burst_ == TimePoint{}) burst_ = now();
  return burst_;
}

void ProcessEngine::hand_over(Seat& seat, InHand job) {
  const JobId id = job.job->id;
  if (seat.hand->full()) {  // what was taken back keeps its place until the worker has passed it
    pending_.emplace_back(JobReturned{id, job.attempt});
    return;
  }
  const bool idle = seat.hand->held() == 0;
  if (Result<void> given = seat.hand->give(job); !given) {
    Outcome outcome;
    outcome.ending = Failed{"it could not be sent to a worker: " + given.error().text};
    pending_.emplace_back(JobEnded{id, job.attempt, id_of(seat), std::move(outcome)});
    return;
  }
  if (ledger_.keeps()) {
    InHand& held = seat.hand->jobs().back();
    held.published = held.sample.sampled || idle ? now() : burst();
    if (!held.sample.sampled) held.handed = held.published;
  }
  crew_.set_busy(number(id_of(seat)), true);
  seat.unkicked = true;
}

void ProcessEngine::give_back(const std::vector<InHand>& jobs) {
  for (const InHand& job : jobs) pending_.emplace_back(JobReturned{job.job->id, job.attempt});
}

// How long it will take, by what was measured. A program that was never run before is not taken for a short one.
Duration ProcessEngine::expected(const JobSpec& job) const {
  if (is_command(job) && !prefetch_.known(learnt_by(job))) return kShort;
  return prefetch_.expected(learnt_by(job));
}

// Nobody waits behind others while another worker has nothing to do.
void ProcessEngine::rebalance() {
  for (Seat& idle : seats_) {
    if (!open_to(idle) || idle.hand->held() != 0) continue;
    Seat* richest = nullptr;
    for (Seat& seat : seats_) {
      if (!seat.hand || seat.unwanted || seat.hand->held() < 2) continue;
      if (richest == nullptr || seat.hand->queued() > richest->hand->queued()) richest = &seat;
    }
    if (richest == nullptr) return;
    // The newer half of what is unbegun, at least one, oldest first.
    const std::size_t wanted = std::max<std::size_t>(1, (richest->hand->held() - 1) / 2);
    std::vector<InHand> jobs;
    for (std::vector<InHand> some; jobs.size() < wanted && !(some = richest->hand->take_back_newest()).empty();) {
      jobs.insert(jobs.begin(), some.begin(), some.end());
    }
    // More came back than was wanted (pipes): who is idle begins at once, so it gets the older ones.
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (jobs[i].sample.sampled && ledger_.keeps()) jobs[i].handed = now();
      hand_over(i < wanted ? idle : *richest, jobs[i]);
    }
  }
}

// A job turned out to be long: what lies behind it goes back to where any worker can have it.
void ProcessEngine::free_from_long(Seat& seat, TimePoint at) {
  if (!seat.hand || seat.hand->held() < 2) return;
  InHand* head = seat.hand->head();
  if (head == nullptr || is_command(*head->job)) return;
  const std::optional<TimePoint> entered = seat.hand->requester().entered(head->ticket);
  if (!entered || at - past(*entered) < std::max<Duration>(kLong, 4 * head->expected)) return;
  seat.overdue = true;
  give_back(seat.hand->take_back_all());
}

void ProcessEngine::kick_all() {
  for (Seat& seat : seats_) {
    if (!seat.hand || !std::exchange(seat.unkicked, false)) continue;
    crew_.kick(number(id_of(seat)));
  }
}

// ---- ending jobs ----

void ProcessEngine::stop(JobId id, Attempt attempt, StopReason reason) {
  for (Seat& seat : seats_) {
    if (!seat.hand) continue;
    collect(seat, pending_);  // it may have ended meanwhile
    const auto find = [&] {
      return std::find_if(seat.hand->jobs().begin(), seat.hand->jobs().end(),
                          [&](const InHand& one) { return one.job->id == id && one.attempt == attempt; });
    };
    auto job = find();
    if (job == seat.hand->jobs().end()) continue;
    if (job->stopping) return;
    give_back(seat.hand->take_back(job->ticket));
    job = find();
    if (job == seat.hand->jobs().end()) return;  // not begun: nothing to end
    job->stopping = reason;
    if (job == seat.hand->jobs().begin()) end_head(seat);
    return;
  }
}

// Ends the job that its worker is in. One that was told to stop while another was in front of it comes here when that has ended.
void ProcessEngine::end_head(Seat& seat) {
  InHand* head = seat.hand->head();
  if (head == nullptr || !head->stopping) return;
  const auto* command = std::get_if<CommandWork>(&head->job->work);
  if (command != nullptr && worker_of(seat).terminate(head->ticket)) {
    const Duration most = std::chrono::hours(24 * 365);
    seat.kill_at = now() + std::min(command->kill_after, most) + kTerminateGrace;
  } else {
    kill(seat);
  }
}

void ProcessEngine::kill(Seat& seat) {
  seat.killed = true;
  worker_of(seat).kill();
}

// The typed job that this worker is in, where its memory is limited. Commands are watched by their workers.
const TypedWork* ProcessEngine::limited(const Seat& seat) {
  const InHand* head = seat.hand ? seat.hand->head() : nullptr;
  const auto* typed = head != nullptr ? std::get_if<TypedWork>(&head->job->work) : nullptr;
  return typed != nullptr && typed->memory.count != 0 && seat.out_of_memory.empty() && !seat.killed ? typed : nullptr;
}

void ProcessEngine::watch_memory(Seat& seat) {
  const TypedWork* job = limited(seat);
  if (job == nullptr || !seat.hand->requester().entered(seat.hand->head()->ticket)) return;
  WorkerProcess& worker = worker_of(seat);
  const Bytes found = os::own_and_below_memory(worker.pid());
  if (found <= job->memory) return;
  collect(seat, pending_);  // it may have ended meanwhile
  if (limited(seat) != job) return;
  seat.out_of_memory =
      "its worker had " + format_size(found) + ", more than `memory` allows (" + format_size(job->memory) + ")";
  kill(seat);
}

void ProcessEngine::take_back() {
  for (Seat& seat : seats_) {
    if (seat.hand) give_back(seat.hand->take_back_all());
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
  if (!seat.hand || !seat.broke_rules.empty()) return;
  ipc::Completion completion;
  InHand job;
  for (;;) {
    const Result<bool> got = seat.hand->collect(completion, job);
    if (!got) {
      // Bytes of a worker are input. One that breaks the rules is ended and takes the way of the dead.
      seat.broke_rules = got.error().text;
      worker_of(seat).kill();
      return;
    }
    if (!*got) return;
    const TimePoint at = now();
    const Result<void> plausible = check_answer(completion, *job.job, registry_, opened_, at);
    if (!plausible && plausible.error().code == ErrorCode::system) {
      completion.reply.outcome.ending = Failed{"its answer could not be taken: " + plausible.error().text};
      completion.reply.outcome.result = {};
    } else if (!plausible) {
      seat.broke_rules = plausible.error().text;
      worker_of(seat).kill();
      completion.reply.outcome = Outcome{};
      completion.reply.outcome.ending = Crashed{0, "its worker broke the protocol: " + seat.broke_rules};
      completion.seen = completion.answered = TimePoint{};
    }
    finish(seat, completion, job, at, events);
    if (!seat.broke_rules.empty()) return;
  }
}

// What the ledger is told of an attempt before its worker had it.
static Stamps handing_out(const InHand& job) {
  const auto* typed = std::get_if<TypedWork>(&job.job->work);
  return {.ready = job.ready,
          .handed = job.handed,
          .published = job.published,
          .encoding = typed != nullptr ? typed->encoding : Duration::zero(),
          .one_in = job.sample.one_in,
          .sampled = job.sample.sampled};
}

void ProcessEngine::finish(Seat& seat, ipc::Completion& completion, const InHand& job, TimePoint at,
                           std::vector<EngineEvent>& events) {
  const ipc::JobReply& reply = completion.reply;
  JobEnded& ended = std::get<JobEnded>(events.emplace_back(std::in_place_type<JobEnded>, job.job->id, job.attempt, id_of(seat),
                                                           std::move(completion.reply.outcome), !seat.broke_rules.empty()));
  Outcome& outcome = ended.outcome;
  prefetch_.learn(learnt_by(*job.job), outcome.wall);
  seat.told_cpu += outcome.cpu;
  if (ledger_.keeps() && completion.seen != TimePoint{}) {
    Stamps stamps = handing_out(job);
    stamps.seen = completion.seen;
    if (reply.arriving) stamps.woken = stamps.seen - *reply.arriving;
    if (reply.free) stamps.free = stamps.seen - *reply.free;
    stamps.entered = stamps.seen + reply.deserialize;
    stamps.left = stamps.entered + outcome.wall;
    stamps.answered = completion.answered;
    stamps.collected = at;
    ledger_.ended(number(id_of(seat)), stamps, ended.costs);
  }
  seat.idle_since = std::max(seat.idle_since, completion.answered);
  if (job.stopping) {
    seat.kill_at.reset();
    if (completion.reply.terminated) outcome.ending = stopped_ending(*job.job, *job.stopping, outcome);
  }
  if (const auto* crashed = std::get_if<Crashed>(&outcome.ending);
      crashed != nullptr && crashed->signal == SIGKILL && oom_kills_.take(now())) {
    outcome.ending = OutOfMemory{kOomKiller};
  }
  if (!std::exchange(seat.looked_where, true)) {
    if (std::optional<std::string> how = crew_.drift(number(id_of(seat))))
      events.emplace_back(WorkerDrifted{id_of(seat), std::move(*how)});
  }
  seat.overdue = false;
  progressed_ = true;
  if (seat.hand->held() == 0) crew_.set_busy(number(id_of(seat)), false);
  if (!seat.killed) end_head(seat);
}

// A time that a worker tells of, as far as it can be true.
TimePoint ProcessEngine::past(TimePoint told) const { return std::clamp(told, opened_, now()); }

void ProcessEngine::tell_starts(std::vector<EngineEvent>& events) {
  for (Seat& seat : seats_) {
    if (!seat.hand) continue;
    InHand* head = seat.hand->head();
    if (head == nullptr || head->announced || head->job->timeout == Duration::zero()) continue;
    if (const std::optional<TimePoint> at = seat.hand->requester().entered(head->ticket)) {
      head->announced = true;
      events.emplace_back(JobStarted{head->job->id, head->attempt, id_of(seat), past(*at)});
    }
  }
}

Outcome ProcessEngine::death_of(const Seat& seat, const InHand& job, const WorkerProcess::Death& death,
                                bool out_of_memory) const {
  Outcome outcome;
  const bool by_kernel = out_of_memory && seat.out_of_memory.empty();
  outcome.ending = ending_by_death(*job.job, death,
                                   {job.stopping, seat.killed, seat.broke_rules, by_kernel ? kOomKiller : seat.out_of_memory});
  outcome.peak_memory = death.peak_memory;
  outcome.core = death.core;
  if (!seat.killed) outcome.left_behind = death.left_behind;
  if (const std::optional<TimePoint> entered = seat.hand->requester().entered(job.ticket)) {
    outcome.wall = now() - past(*entered);
    // What it had used and no job has told of. Its start is in that, so a job is not taken to have kept more than one processor busy.
    outcome.cpu = std::clamp(death.cpu - seat.told_cpu, Duration::zero(), outcome.wall);
  }
  return outcome;
}

bool ProcessEngine::bury(std::uint32_t number_of_seat, const WorkerProcess::Death& death) {
  Seat& seat = seats_[number_of_seat];
  bool charged = false;
  const bool out_of_memory = death.signal == SIGKILL && !seat.killed && oom_kills_.take(now());
  if (seat.hand) {
    collect(seat, pending_);  // what was published before the death is valid
    for (const InHand& job : seat.hand->jobs()) {
      // Untouched, or hit by a kill that was meant for the job before it.
      if (seat.hand->requester().fate(job.ticket) == ipc::Fate::untouched ||
          (seat.killed && !job.stopping && (seat.out_of_memory.empty() || charged))) {
        pending_.emplace_back(JobReturned{job.job->id, job.attempt});
        continue;
      }
      charged = true;
      Outcome outcome = death_of(seat, job, death, out_of_memory);
      AttemptCosts costs;
      if (const std::optional<TimePoint> seen = seat.hand->requester().entered(job.ticket); seen && ledger_.keeps()) {
        Stamps stamps = handing_out(job);
        stamps.seen = stamps.entered = past(*seen);
        stamps.left = stamps.answered = stamps.collected = now();
        ledger_.ended(number(id_of(seat)), stamps, costs);
      }
      pending_.emplace_back(JobEnded{job.job->id, job.attempt, id_of(seat), std::move(outcome), !seat.killed, costs});
    }
    count_traffic(seat);
  }
  ledger_.lost(number_of_seat, now());
  const bool by_us = seat.killed;
  if (!by_us) {
    ++lost_;
    const std::string how = seat.broke_rules.empty() ? death.how : "broke the protocol (" + seat.broke_rules + ")";
    pending_.emplace_back(WorkerLost{id_of(seat), how, !seat.unwanted});
  }
  const bool unwanted = seat.unwanted;
  seat = Seat{};
  seat.unwanted = unwanted;
  return std::exchange(progressed_, false) || charged || by_us;
}

// ---- waiting ----

Result<void> ProcessEngine::wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) {
  burst_ = {};
  kick_all();  // before anything that may take long: to read a large result, say
  const auto tell = [&] {
    events.insert(events.end(), std::make_move_iterator(pending_.begin()), std::make_move_iterator(pending_.end()));
    pending_.clear();
  };
  for (;;) {
    tell();
    for (Seat& seat : seats_) collect(seat, events);
    rebalance();
    dismiss_idle();
    kick_all();
    const TimePoint at = now();
    if (events.empty() || at - looked_ >= kTimeoutLook) {
      looked_ = at;
      tell_starts(events);
      for (Seat& seat : seats_) free_from_long(seat, at);
      const ipc::Traffic carried = traffic();
      ledger_.carried(carried.sent, carried.received);
      // However much there is to collect: who starts, dies or goes is seen.
      const Result<bool> seen = events.empty() ? Result<bool>(false) : crew_.sleep(at, -1);
      tell();
      if (!seen) return tl::unexpected(seen.error());
    }
    if (!events.empty()) {
      patient_ = true;
      return {};
    }
    escalate(at);
    for (Seat& seat : seats_) watch_memory(seat);
    if (at >= until) return {};
    arm_doorbells();
    const TimePoint look = std::min({until, next_look(at), lazy_ ? at + kPatience : TimePoint::max()});
    const Result<bool> woken = crew_.sleep(look, wake_fd);
    if (!woken) {
      for (Seat& seat : seats_) collect(seat, pending_);  // what is done is not lost
      tell();
      return tl::unexpected(woken.error());
    }
    if (crew_.overslept() && lazy_) patient_ = false;  // nobody rang for a short queue: it is not short
    tell();
    if (*woken || !events.empty()) return {};
  }
}

// When the job that a worker enters next, unseen, could be late at the earliest; or a command is to be ended the hard way; or
// something lies behind a job that may turn out to be long.
TimePoint ProcessEngine::next_look(TimePoint at) {
  TimePoint look = TimePoint::max();
  for (Seat& seat : seats_) {
    if (seat.kill_at) look = std::min(look, *seat.kill_at);
    if (!seat.hand) continue;
    if (limited(seat) != nullptr) look = std::min(look, at + kMemoryLook);
    if (const InHand* head = seat.hand->head(); head != nullptr && seat.hand->held() > 1 && !is_command(*head->job)) {
      look = std::min(look, at + std::max<Duration>(kLong, 4 * head->expected));
    }
    for (const InHand& job : seat.hand->jobs()) {
      if (job.announced || job.job->timeout == Duration::zero()) continue;
      look = std::min(look, at + std::min<Duration>(job.job->timeout, std::chrono::hours(24)));
    }
  }
  return look;
}

void ProcessEngine::arm_doorbells() {
  lazy_ = false;
  for (Seat& seat : seats_) {
    InHand* head = seat.hand ? seat.hand->head() : nullptr;
    if (head == nullptr) continue;
    ipc::Ticket from = head->ticket;
    if (patient_ && seat.hand->held() > 2 && seat.hand->queued() <= Prefetch::kWindow) {
      // A short queue: one ring when half of it is done, instead of one for each job.
      from = seat.hand->jobs()[seat.hand->jobs().size() / 2].ticket;
      lazy_ = true;
    }
    seat.hand->requester().arm(from);
  }
}

bool ProcessEngine::anything_done() const {
  return std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
    const InHand* head = seat.hand ? seat.hand->head() : nullptr;
    return head != nullptr && seat.hand->requester().done(head->ticket);
  });
}

std::vector<WorkerView> ProcessEngine::view() const {
  std::vector<WorkerView> views;
  for (const Seat& seat : seats_) {
    if (seat.unwanted && !seat.hand) continue;
    WorkerView view{id_of(seat), {}, seat.idle_since};
    const InHand* head = seat.hand ? seat.hand->head() : nullptr;
    if (head != nullptr) {
      if (const std::optional<TimePoint> entered = seat.hand->requester().entered(head->ticket)) {
        view.job = head->job->id;
        view.since = past(*entered);
      }
    }
    view.pid = crew_.pid(number(id_of(seat)));
    views.push_back(view);
  }
  return views;
}

ipc::Traffic ProcessEngine::traffic() {
  ipc::Traffic all = traffic_;
  for (Seat& seat : seats_) {
    if (!seat.hand) continue;
    const ipc::Traffic& more = seat.hand->requester().requester().traffic();
    all.sent += more.sent;
    all.received += more.received;
  }
  return all;
}

void ProcessEngine::count_traffic(Seat& seat) {
  const ipc::Traffic& more = seat.hand->requester().requester().traffic();
  traffic_.sent += more.sent;
  traffic_.received += more.received;
}

Costs ProcessEngine::close() {
  const TimePoint over = now();
  std::vector<ProcessCrew::Leave> how;
  std::vector<std::pair<std::uint32_t, TimePoint>> leaving;
  for (Seat& seat : seats_) {
    if (seat.hand) count_traffic(seat);
    if (seat.dismissed != TimePoint{}) leaving.emplace_back(number(id_of(seat)), seat.dismissed);
    const InHand* head = seat.hand ? seat.hand->head() : nullptr;
    how.push_back(head == nullptr          ? ProcessCrew::Leave::by_itself
                  : is_command(*head->job) ? ProcessCrew::Leave::hung_up  // killed, it would leave what the command has started
                                           : ProcessCrew::Leave::killed);
  }
  seats_.clear();  // before the requesters that they refer to
  crew_.close(how);
  const TimePoint gone = now();
  for (const auto& [worker, dismissed] : leaving) ledger_.left(worker, dismissed, gone);
  Costs costs = ledger_.close(over, gone);
  costs.workers_lost = lost_;
  costs.bytes_sent = traffic_.sent;
  costs.bytes_received = traffic_.received;
  costs.usage = crew_.usage();
  costs.workers_peak = crew_.peak_memory();
  costs.master_cpu = meter_.cpu();
  return costs;
}

}  // namespace runner::master
