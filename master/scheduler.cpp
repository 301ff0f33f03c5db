#include "master/scheduler.hpp"

#include <algorithm>
#include <utility>

namespace runner::master {

namespace {

// A clock of 64 bits must not overflow by a pause.
constexpr Duration kLongest = std::chrono::hours(24 * 365 * 100);

const Demand kPlain;

Scheduler::Rules completed(Scheduler::Rules rules) {
  if (rules.demands.empty()) rules.demands = {&kPlain, 1};
  return rules;
}

}  // namespace

Scheduler::Scheduler(bool engine_can_end_jobs, const Rules& rules)
    : can_end_jobs_(engine_can_end_jobs),
      rules_(completed(rules)),
      occupancy_(rules_.cpus, rules_.resources, rules_.demands),
      waiting_(rules_.demands.size()) {
  if (rules.plan != nullptr) backlog_.emplace(*rules.plan, rules_.demands.size(), rules.before);
  if (!rules_.halt || !rules_.halt->percent || rules_.before == nullptr) return;
  rules_.size = rules_.before->jobs;
  tally_ = rules_.before->tally;
  // There is nothing to take back yet.
  halted_ = stopping_ = rules_.halt->reached(tally_, rules_.size);
}

JobSpec& Scheduler::vacancy() {
  if (free_.empty()) free_.push_back(&pool_.emplace_back());
  return free_.back()->spec;
}

void Scheduler::offer(Actions& actions) {
  Job& job = *free_.back();
  free_.pop_back();
  job.attempt = Attempt{1};
  job.running = job.stopped = false;
  job.spent = job.crashes = 0;
  if (rules_.before != nullptr && !rules_.before->spent.empty()) {
    const auto spent = rules_.before->spent.find(number(job.spec.id));
    if (spent != rules_.before->spent.end()) {
      job.spent = spent->second.attempts;
      job.crashes = spent->second.crashes;
    }
  }
  job.block = place_.block;
  ++offered_;
  // Without a plan it is only now known what it takes.
  if (!backlog_) look();
  const bool fits = !held() && (backlog_ || occupancy_.fits(job.spec.demand));
  jobs_.emplace(number(job.spec.id), &job);
  if (fits) {
    start(job, actions);
  } else {
    wait(job);
  }
}

void Scheduler::start(Job& job, Actions& actions) {
  job.running = true;
  job.stopped = false;
  occupancy_.take(job.spec.demand);
  actions.emplace_back(StartJob{&job.spec, job.attempt});
}

// Among equals, what was taken from the batch before goes before what was not.
bool Scheduler::Candidate::operator<(const Candidate& other) const {
  if (priority != other.priority) return priority > other.priority;
  if (choice.who != other.choice.who) return choice.who == Choice::Who::waiting;
  return id < other.id;
}

// Those that go first of each demand are asked, so what it costs does not depend on how many wait behind them.
Scheduler::Choice Scheduler::choose() {
  // While nothing may start, one job is still asked for once no other is left, to wait: or the end of the source would not be seen.
  if (held()) return jobs_.empty() && !backlog_ && takes_more() ? Choice{Choice::Who::fresh} : Choice{};
  candidates_.clear();
  const bool more = takes_more();
  for (std::uint32_t demand = 0; demand < waiting_.size(); ++demand) {
    if (!waiting_[demand].empty()) {
      const JobSpec& first = (*waiting_[demand].begin())->spec;
      candidates_.push_back({first.priority, first.id, {Choice::Who::waiting, demand}});
    }
    if (!backlog_ || !more) continue;
    if (const std::optional<Backlog::Head> head = backlog_->head(demand))
      candidates_.push_back({head->priority, head->job, {Choice::Who::fresh, demand}});
  }
  // What comes next in a batch without a plan, and what it takes, is seen when it is read.
  look();
  if (candidates_.empty()) {
    const bool room = rules_.demands.size() > 1 || occupancy_.fits(0);
    return backlog_ || !more || !room ? Choice{} : Choice{Choice::Who::fresh};
  }
  if (candidates_.size() > 1) std::sort(candidates_.begin(), candidates_.end());
  for (const Candidate& candidate : candidates_) {
    if (occupancy_.fits(candidate.choice.demand)) return candidate.choice;
    if (occupancy_.closed()) break;
  }
  return {};
}

bool Scheduler::wants_jobs() {
  choice_ = choose();
  return choice_.who == Choice::Who::fresh;
}

std::optional<JobId> Scheduler::next_to_offer() {
  if (!backlog_) return std::nullopt;
  place_ = backlog_->take(choice_.demand);
  return place_.job;
}

void Scheduler::source_ended(Actions& actions) {
  source_ended_ = true;
  if (!rules_.size) rules_.size = offered_;
  look_whether_to_halt(actions);
}

std::optional<JobId> Scheduler::next_to_skip() {
  if (!backlog_ || stopping_) return std::nullopt;
  const std::optional<Backlog::Place> place = backlog_->skip();
  if (!place) return std::nullopt;
  place_ = *place;
  return place_.job;
}

void Scheduler::skip(Actions& actions) {
  Job& job = *free_.back();
  free_.pop_back();
  ended_.push_back(&job);
  Outcome outcome;
  outcome.ending = Cancelled{backlog_->why_skipped(place_.block)};
  actions.emplace_back(ReportJob{&job.spec, std::move(outcome), Attempt{0}, std::nullopt});
  backlog_->skipped(place_, job.spec.name);
  ++tally_.done;
  look_whether_to_halt(actions);
}

std::uint32_t Scheduler::start_waiting(std::uint32_t room, Actions& actions) {
  std::uint32_t started = 0;
  for (; started < room; ++started) {
    const Choice choice = choose();
    if (choice.who != Choice::Who::waiting) break;
    auto& waiting = waiting_[choice.demand];
    Job& job = **waiting.begin();
    waiting.erase(waiting.begin());
    start(job, actions);
  }
  return started;
}

Scheduler::Job* Scheduler::current(JobId id, Attempt attempt) {
  const auto found = jobs_.find(number(id));
  if (found == jobs_.end() || found->second->attempt != attempt || !found->second->running) return nullptr;
  return found->second;
}

const JobSpec* Scheduler::find(JobId id) const {
  const auto found = jobs_.find(number(id));
  return found == jobs_.end() ? nullptr : &found->second->spec;
}

void Scheduler::drop(Job& job) {
  jobs_.erase(number(job.spec.id));
  ended_.push_back(&job);
}

void Scheduler::recycle() {
  for (Job* job : ended_) job->last.reset();
  free_.insert(free_.end(), ended_.begin(), ended_.end());
  ended_.clear();
}

void Scheduler::on(JobStarted& event, TimePoint, Actions&) {
  const Job* job = current(event.job, event.attempt);
  if (job == nullptr || job->spec.timeout == Duration::zero()) return;
  deadlines_.push({event.at + job->spec.timeout, event.job, event.attempt, false});
}

bool Scheduler::retries(const Job& job, const Outcome& outcome) const {
  return !stopping_ && !outcome.quarantined && number(of_all(job)) <= job.spec.retries &&
         job.spec.retry_on.includes(outcome.ending);
}

void Scheduler::on(JobEnded& event, TimePoint now, Actions& actions) {
  now_ = now;
  Job* job = current(event.job, event.attempt);
  if (job == nullptr) return;
  occupancy_.give(job->spec.demand);
  // One that was told to stop is not to blame for how it was ended.
  if (event.worker_died && !job->stopped) event.outcome.quarantined = ++job->crashes >= job->spec.crash_limit;
  if (!retries(*job, event.outcome)) {
    return over(*job, std::move(event.outcome), job->attempt, event.worker, event.costs, actions);
  }
  job->last = {std::move(event.outcome), event.worker, event.costs};
  actions.emplace_back(ReportRetry{&job->spec, &job->last->outcome, job->attempt, event.worker, event.costs});
  const Duration pause = job->spec.backoff.after(job->spec.id, of_all(*job));
  job->attempt = next(job->attempt);
  job->running = false;
  if (pause == Duration::zero()) {
    wait(*job);
  } else {
    delayed_.push({now + std::min<Duration>(pause, kLongest), job->spec.id, job});
  }
}

void Scheduler::over(Job& job, Outcome&& outcome, Attempt attempts, WorkerId worker, const AttemptCosts& costs,
                     Actions& actions) {
  const bool well = succeeded(outcome), cancelled = std::holds_alternative<Cancelled>(outcome.ending);
  ++tally_.done;
  if (well) ++tally_.succeeded;
  if (!well && !cancelled && !job.spec.allow_failure) ++tally_.failed;
  actions.emplace_back(ReportJob{&job.spec, std::move(outcome), attempts, worker, costs});
  if (backlog_) backlog_->ended(job.block, job.spec.name, well || (job.spec.allow_failure && !cancelled));
  drop(job);
  look_whether_to_halt(actions);
}

void Scheduler::look_whether_to_halt(Actions& actions) {
  if (stopping_ || !rules_.halt || !rules_.halt->reached(tally_, rules_.size)) return;
  halted_ = true;
  halt(actions);
  if (rules_.halt->when == HaltRule::When::soon) return;
  for (const auto& [id, job] : jobs_) stop(*job, StopReason::halt, now_, actions);
}

void Scheduler::on(JobReturned& event, TimePoint, Actions& actions) {
  Job* job = current(event.job, event.attempt);
  if (job == nullptr) return;
  job->running = false;
  occupancy_.give(job->spec.demand);
  // In the order of the batch, whatever the order in which workers gave them back: what begins first is what was asked for first.
  stopping_ ? leave(*job, actions) : wait(*job);
}

void Scheduler::stop(Job& job, StopReason reason, TimePoint now, Actions& actions) {
  if (job.stopped) return;
  job.stopped = true;
  actions.emplace_back(StopJob{job.spec.id, job.attempt, reason});
  const bool typed = std::holds_alternative<TypedWork>(job.spec.work);
  if (typed && !can_end_jobs_) deadlines_.push({now + kGrace, job.spec.id, job.attempt, true});
}

void Scheduler::tick(TimePoint now, Actions& actions) {
  now_ = now;
  for (; !delayed_.empty() && delayed_.top().at <= now; delayed_.pop()) wait(*delayed_.top().job);
  while (!deadlines_.empty() && deadlines_.top().at <= now) {
    const Deadline deadline = deadlines_.top();
    deadlines_.pop();
    Job* job = current(deadline.job, deadline.attempt);
    if (job == nullptr) continue;  // it ended in time
    if (deadline.grace) {
      actions.emplace_back(GiveUp{&job->spec});
      continue;
    }
    stop(*job, StopReason::deadline, now, actions);
  }
}

std::optional<TimePoint> Scheduler::next_deadline() {
  std::optional<TimePoint> first;
  if (!delayed_.empty()) first = delayed_.top().at;
  for (; !deadlines_.empty(); deadlines_.pop()) {
    const Deadline& deadline = deadlines_.top();
    if (current(deadline.job, deadline.attempt) == nullptr) continue;
    return first ? std::min(*first, deadline.at) : deadline.at;
  }
  return first;
}

// It will not be started any more. If an attempt was made, that is what became of the job; else it simply was not run.
void Scheduler::leave(Job& job, Actions& actions) {
  if (job.last) {
    const Attempt made{number(job.attempt) - 1};
    over(job, std::move(job.last->outcome), made, job.last->worker, job.last->costs, actions);
  } else {
    drop(job);
  }
}

void Scheduler::halt(Actions& actions) {
  if (stopping_) return;
  stopping_ = true;
  for (auto& waiting : waiting_) {
    for (Job* job : waiting) leave(*job, actions);
    waiting.clear();
  }
  for (; !delayed_.empty(); delayed_.pop()) leave(*delayed_.top().job, actions);
  actions.emplace_back(TakeBackUnstarted{});
}

void Scheduler::memory(bool enough, Actions& actions) {
  if (enough == !short_of_memory_) return;
  short_of_memory_ = !enough;
  if (!enough) actions.emplace_back(TakeBackUnstarted{});
}

void Scheduler::pause(bool paused, Actions& actions) {
  if (paused == paused_) return;
  paused_ = paused;
  if (paused) actions.emplace_back(TakeBackUnstarted{});
}

const Demand& Scheduler::widest() const {
  const auto wider = [](const Demand& a, const Demand& b) { return a.cpus < b.cpus; };
  const bool all_taken = stopping_ || (backlog_ ? backlog_->empty() : source_ended_);
  if (!all_taken) return *std::max_element(rules_.demands.begin(), rules_.demands.end(), wider);
  const Demand* widest = &kPlain;
  for (const auto& [id, job] : jobs_) widest = &std::max(*widest, rules_.demands[job->spec.demand], wider);
  return *widest;
}

void Scheduler::interrupt(TimePoint now, Actions& actions) {
  ++interrupts_;
  halt(actions);
  if (interrupts_ == 2) {
    for (const auto& [id, job] : jobs_) stop(*job, StopReason::interrupt, now, actions);
  } else if (interrupts_ > 2) {
    actions.emplace_back(CloseAtOnce{});
  }
}

}  // namespace runner::master
