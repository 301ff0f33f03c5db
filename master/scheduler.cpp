#include "master/scheduler.hpp"

#include <algorithm>
#include <utility>

namespace runner::master {

JobSpec& Scheduler::vacancy() {
  if (free_.empty()) free_.push_back(&pool_.emplace_back());
  return free_.back()->spec;
}

void Scheduler::offer(Actions& actions) {
  Job& job = *free_.back();
  free_.pop_back();
  job.attempt = Attempt{1};
  job.running = job.stopped = false;
  jobs_.emplace(number(job.spec.id), &job);
  start(job, actions);
}

void Scheduler::start(Job& job, Actions& actions) {
  job.running = true;
  job.stopped = false;
  actions.emplace_back(StartJob{&job.spec, job.attempt});
}

std::uint32_t Scheduler::start_waiting(std::uint32_t room, Actions& actions) {
  std::uint32_t started = 0;
  for (; started < room && !waiting_.empty(); ++started) {
    Job& job = *waiting_.front();
    waiting_.pop_front();
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
  if (stopping_ || number(job.attempt) > job.spec.retries) return false;
  return std::holds_alternative<Failed>(outcome.ending) || std::holds_alternative<Crashed>(outcome.ending) ||
         std::holds_alternative<TimedOut>(outcome.ending);
}

void Scheduler::on(JobEnded& event, TimePoint, Actions& actions) {
  Job* job = current(event.job, event.attempt);
  if (job == nullptr) return;
  if (retries(*job, event.outcome)) {
    job->last = {std::move(event.outcome), event.worker};
    actions.emplace_back(ReportRetry{&job->spec, &job->last->outcome, job->attempt});
    job->attempt = next(job->attempt);
    job->running = false;
    waiting_.push_front(job);
    return;
  }
  actions.emplace_back(ReportJob{&job->spec, std::move(event.outcome), job->attempt, event.worker});
  drop(*job);
}

void Scheduler::on(JobReturned& event, TimePoint, Actions& actions) {
  Job* job = current(event.job, event.attempt);
  if (job == nullptr) return;
  job->running = false;
  if (stopping_) {
    leave(*job, actions);
  } else {
    // In the order of the batch, whatever the order in which workers gave them back: what begins first is what was asked for first.
    const auto later = [&](const Job* other) { return other->spec.id > job->spec.id; };
    waiting_.insert(std::find_if(waiting_.begin(), waiting_.end(), later), job);
  }
}

void Scheduler::stop(Job& job, StopReason reason, TimePoint now, Actions& actions) {
  if (job.stopped) return;
  job.stopped = true;
  actions.emplace_back(StopJob{job.spec.id, job.attempt, reason});
  const bool typed = std::holds_alternative<TypedWork>(job.spec.work);
  if (typed && !can_end_jobs_) deadlines_.push({now + kGrace, job.spec.id, job.attempt, true});
}

void Scheduler::tick(TimePoint now, Actions& actions) {
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
  while (!deadlines_.empty()) {
    const Deadline& first = deadlines_.top();
    if (current(first.job, first.attempt) != nullptr) return first.at;
    deadlines_.pop();
  }
  return std::nullopt;
}

// It will not be started any more. If an attempt was made, that is what became of the job; else it simply was not run.
void Scheduler::leave(Job& job, Actions& actions) {
  if (job.last) {
    const Attempt made{number(job.attempt) - 1};
    actions.emplace_back(ReportJob{&job.spec, std::move(job.last->outcome), made, job.last->worker});
  }
  drop(job);
}

void Scheduler::halt(Actions& actions) {
  if (stopping_) return;
  stopping_ = true;
  for (Job* job : waiting_) leave(*job, actions);
  waiting_.clear();
  actions.emplace_back(TakeBackUnstarted{});
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
