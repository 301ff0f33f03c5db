#include "master/run.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <runner/overloaded.hpp>
#include "ipc/os.hpp"
#include "master/crew_size.hpp"
#include "master/free_memory.hpp"
#include "master/scheduler.hpp"
#include "master/usable_cpus.hpp"
#include "master/wake_ups.hpp"

namespace runner::master {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Results reach their files at the latest this long after they were known, and always before the loop sleeps.
constexpr Duration kFlushInterval = milliseconds(20);
constexpr std::uint32_t kSkippedInATurn = 1000;
// How often it is looked how much memory is free.
constexpr Duration kMemoryInterval = milliseconds(20);
// How long it is shown why there are not as many workers as were asked for.
constexpr Duration kRefusalShown = std::chrono::seconds(5);

class Loop {
 public:
  Loop(Batch& batch, Engine& engine, std::span<Sink* const> sinks, Interrupts* interrupts, const GiveUpHandler& give_up,
       const Shared& shared, Guardian* guardian, const std::optional<HaltRule>& halt, const Limits& limits,
       const EndedBefore* before)
      : batch_(batch),
        engine_(engine),
        sinks_(sinks),
        interrupts_(interrupts),
        give_up_(give_up),
        shared_(shared),
        guardian_(guardian),
        halt_(halt),
        limits_(limits),
        cpus_(limits.cpus != 0 ? limits.cpus : engine.procs()),
        scheduler_(engine.can_end_jobs(),
                   {batch.plan ? &*batch.plan : nullptr, halt, batch.size, before, cpus_, batch.resources, batch.demands}) {}

  Result<RunAnswer> run() {
    if (Result<void> opened = engine_.open(); !opened) return tl::unexpected(opened.error());
    began_ = last_flush_ = now_ = steady_clock::now();
    answer_.totals.size = batch_.size;
    answer_.totals.procs = procs_ = most_procs_ = engine_.procs();
    answer_.totals.cpus = usable_cpus().count;
    answer_.totals.mode = engine_.mode();
    answer_.totals.engine = engine_.description();
    const RunInfo info{batch_.name, batch_.size, engine_.mode(), answer_.totals.engine, engine_.procs(), began_};
    tell([&](Sink& sink) { return sink.started(info); });
    int wakes = interrupts_ != nullptr ? interrupts_->fd() : -1;
    if (guardian_ != nullptr) {
      const Result<int> both = guardian_->watched_with(wakes);
      if (both) {
        wakes = *both;
      } else {
        trouble(both.error());
      }
    }
    if (Result<void> ready = wake_ups_.open(wakes); !ready) collapse(ready.error());
    plan_ticks();
    while (!scheduler_.done() && !closed_) {
      try {
        turn();
      } catch (const std::bad_alloc&) {
        collapse(no_memory());
      }
    }
    finish();
    return std::move(answer_);
  }

 private:
  [[nodiscard]] static Error no_memory() { return os::failure("go on", "malloc", ENOMEM).value(); }

  // One turn: hand out what fits, carry out decisions, wait for news.
  void turn() {
    skip();
    awaited_ = -1;
    look_at_memory();
    look_at_switch();
    look_at_wish();
    fill();
    if (Result<void> watched = wake_ups_.await(awaited_); !watched) return collapse(watched.error());
    carry_out();
    if (scheduler_.done() || closed_) return;
    events_.clear();
    // First without waiting: only a loop with nothing to do may spend time on flushing.
    Result<void> waited = engine_.wait(events_, TimePoint::min(), -1);
    if (waited && events_.empty() && actions_.empty() && skipping_ < kSkippedInATurn) {
      flush();
      waited = engine_.wait(events_, wake_at(), wake_ups_.fd());
    }
    now_ = steady_clock::now();
    for (EngineEvent& event : events_) take(event);
    if (!waited) return collapse(waited.error());
    scheduler_.tick(now_, actions_);
    listen();
    if (guardian_ != nullptr) guardian_->look(now_);
    carry_out();  // before anybody is shown how far it is
    if (now_ >= next_tick_) show();
    if (now_ - last_flush_ >= kFlushInterval) flush();
  }

  // The next job of the batch into the vacancy, and on its way.
  void offer() {
    const std::optional<JobId> id = scheduler_.next_to_offer();
    JobSpec& job = scheduler_.vacancy();
    const Result<bool> more = id ? batch_.jobs->at(*id, job).map([] { return true; }) : batch_.jobs->next(job);
    if (!more) {
      trouble(more.error());
    } else if (*more) {
      scheduler_.offer(actions_);
    } else {
      scheduler_.source_ended(actions_);
    }
  }

  // Those that will never run. Many are told of in many turns, so that workers do not wait for that.
  void skip() {
    for (skipping_ = 0; skipping_ < kSkippedInATurn; ++skipping_) {
      const std::optional<JobId> id = scheduler_.next_to_skip();
      if (!id) return;
      if (const Result<void> filled = batch_.jobs->at(*id, scheduler_.vacancy()); !filled) return trouble(filled.error());
      scheduler_.skip(actions_);
      carry_out();
    }
  }

  void look_at_switch() {
    if (limits_.paused == nullptr) return;
    scheduler_.pause(*limits_.paused, actions_);
    carry_out();
  }

  // For more workers, or fewer.
  void look_at_wish() {
    if (limits_.more_workers == nullptr || *limits_.more_workers == 0) return;
    const std::int64_t more = std::exchange(*limits_.more_workers, 0);
    auto [wanted, why_not] =
        crew_size(more, {engine_.procs(), cpus_, &scheduler_.widest(), limits_.most_workers, scheduler_.stopping()});
    if (wanted != engine_.procs()) {
      if (const Result<void> resized = engine_.resize(wanted); !resized) why_not = resized.error().text;
    }
    recount(std::move(why_not));
  }

  // There are more workers, or fewer, or not as many as were asked for.
  void recount(std::string why_not) {
    const std::int64_t came = std::int64_t{engine_.procs()} - std::exchange(procs_, engine_.procs());
    most_procs_ = std::max(most_procs_, procs_);
    resized_ = resized_ || came != 0;
    cpus_ = static_cast<std::uint32_t>(cpus_ + came);
    scheduler_.resize(came);
    refused_ = std::move(why_not);
    refused_at_ = now_;
  }

  void look_at_memory() {
    if (!limits_.memory_free || now_ < next_memory_look_) return;
    next_memory_look_ = now_ + kMemoryInterval;
    free_memory_ = free_memory(limits_.read);
    const bool was_short = scheduler_.short_of_memory();
    scheduler_.memory(!free_memory_ || *free_memory_ >= *limits_.memory_free, actions_);
    if (!was_short && scheduler_.short_of_memory()) next_tick_ = std::min(next_tick_, now_);
    carry_out();
  }

  void fill() {
    for (std::uint32_t room = engine_.room(); room > 0;) {
      const std::size_t before = actions_.size();
      if (scheduler_.start_waiting(room, actions_) == 0) {
        for (; room > 0 && scheduler_.wants_jobs(); --room) {
          if (!batch_.plan) awaited_ = batch_.jobs->awaited();
          if (awaited_ >= 0) break;  // what is there already starts now
          offer();
        }
      }
      if (actions_.size() == before) return;
      carry_out();
      room = engine_.room();
    }
  }

  // Every event, every action, every ending has its line here; one that is new does not compile until it has.
  void take(EngineEvent& event) {
    std::visit(Overloaded{[&](JobStarted& started) { scheduler_.on(started, now_, actions_); },
                          [&](JobEnded& ended) {
                            answer_.totals.compute += ended.outcome.wall;
                            answer_.totals.compute_cpu += ended.outcome.cpu;
                            scheduler_.on(ended, now_, actions_);
                          },
                          [&](JobReturned& returned) { scheduler_.on(returned, now_, actions_); },
                          [&](WorkerLost& lost) { tell([&](Sink& sink) { return sink.worker_lost(lost); }); },
                          [&](WorkerRefused& refused) { recount("no more workers: " + refused.why); },
                          [&](WorkerDrifted& drifted) { tell([&](Sink& sink) { return sink.worker_drifted(drifted); }); }},
               event);
  }

  void carry_out() {
    // Telling a sink can add actions (a halt): they come after those that are being walked, which stay where they are.
    while (!actions_.empty()) {
      std::swap(actions_, carried_out_);
      for (Action& action : carried_out_) carry_out(action);
      carried_out_.clear();
    }
    scheduler_.recycle();
  }

  void carry_out(Action& action) {
    std::visit(Overloaded{[&](StartJob& start) {
                            if (!start.job->inputs.empty() && number(start.attempt) == 1) {
                              tell([&](Sink& sink) { return sink.starting(*start.job); });
                            }
                            engine_.start(*start.job, start.attempt);
                          },
                          [&](StopJob& stop) { engine_.stop(stop.job, stop.attempt, stop.reason); },
                          [&](TakeBackUnstarted&) { engine_.take_back(); },
                          [&](ReportJob& report) {
                            count(report);
                            const JobRecord record{*report.job, report.outcome, report.attempts, report.worker, report.costs};
                            tell([&](Sink& sink) { return sink.ended(record); });
                          },
                          [&](ReportRetry& retry) {
                            ++answer_.totals.retries;
                            const RetryRecord record{*retry.job, *retry.outcome, retry.attempt, retry.worker, retry.costs};
                            tell([&](Sink& sink) { return sink.retried(record); });
                          },
                          [&](GiveUp& stuck) {
                            flush();
                            give_up_(*stuck.job, answer_.totals.counts.done());
                            closed_ = true;
                          },
                          [&](CloseAtOnce&) { closed_ = true; }},
               action);
  }

  void count(const ReportJob& report) {
    Counts& counts = answer_.totals.counts;
    ++std::visit(Overloaded{[&](const Succeeded&) -> std::uint64_t& { return counts.ok; },
                            [&](const Failed&) -> std::uint64_t& { return counts.failed; },
                            [&](const Crashed&) -> std::uint64_t& { return counts.crashed; },
                            [&](const TimedOut&) -> std::uint64_t& { return counts.timed_out; },
                            [&](const Cancelled&) -> std::uint64_t& { return counts.cancelled; },
                            [&](const OutOfMemory&) -> std::uint64_t& { return counts.out_of_memory; }},
                 report.outcome.ending);
    if (!succeeded(report.outcome) && report.job->allow_failure) {
      ++counts.allowed;
    } else if (scheduler_.halted() && std::holds_alternative<Cancelled>(report.outcome.ending)) {
      ++counts.halted;
    }
  }

  void listen() {
    if (interrupts_ == nullptr) return;
    for (const unsigned count = interrupts_->count(); heard_ < count; ++heard_) {
      answer_.totals.interrupted = true;
      scheduler_.interrupt(now_, actions_);
      next_tick_ = now_;  // a person who pressed a key wants to see that it was heard
    }
  }

  template <class Tell>
  void tell(Tell&& told) {
    for (Sink* sink : sinks_) {
      if (std::find(broken_.begin(), broken_.end(), sink) != broken_.end()) continue;
      Result<void> well;
      try {
        well = told(*sink);
      } catch (const std::bad_alloc&) {
        well = tl::unexpected(no_memory());
      }
      if (!well) {
        broken_.push_back(sink);  // the others still get everything
        trouble(well.error());
      }
    }
  }

  void trouble(const Error& error) {
    if (!answer_.trouble) answer_.trouble = error;
    scheduler_.halt(actions_);
  }

  // The engine cannot go on. What ended before that is told.
  void collapse(const Error& error) {
    if (!answer_.trouble) answer_.trouble = error;
    carry_out();
    closed_ = true;
  }

  void flush() {
    last_flush_ = now_;
    tell([](Sink& sink) { return sink.flush(); });
  }

  void plan_ticks() {
    for (const Sink* sink : sinks_) {
      if (const std::optional<Duration> interval = sink->tick_interval()) {
        tick_interval_ = std::min(tick_interval_.value_or(*interval), *interval);
      }
    }
    if (tick_interval_) next_tick_ = began_ + *tick_interval_;
  }

  void show() {
    next_tick_ = tick_interval_ ? now_ + *tick_interval_ : TimePoint::max();
    const std::vector<WorkerView> workers = engine_.view();
    std::vector<std::string_view> names;
    for (const WorkerView& worker : workers) {
      const JobSpec* job = worker.job ? scheduler_.find(*worker.job) : nullptr;
      names.push_back(job != nullptr ? std::string_view(job->name) : std::string_view());
    }
    Snapshot snapshot{now_,
                      answer_.totals.counts,
                      scheduler_.in_flight(),
                      batch_.size,
                      scheduler_.stopping(),
                      scheduler_.halted() && !answer_.totals.interrupted,
                      heard_,
                      workers,
                      names,
                      {}};
    snapshot.costs = engine_.so_far();
    snapshot.paused = scheduler_.paused();
    snapshot.procs = engine_.procs();
    if (now_ - refused_at_ < kRefusalShown) snapshot.refused = refused_;
    if (scheduler_.short_of_memory() && !scheduler_.stopping()) snapshot.memory = {*free_memory_, *limits_.memory_free};
    tell([&](Sink& sink) { return sink.tick(snapshot); });
  }

  TimePoint wake_at() {
    const TimePoint next = std::min(scheduler_.next_deadline().value_or(TimePoint::max()), next_tick_);
    return scheduler_.short_of_memory() ? std::min(next, next_memory_look_) : next;
  }

  void finish() {
    now_ = steady_clock::now();
    answer_.totals.wall = now_ - began_;
    if (scheduler_.halted()) answer_.totals.halted = halt_;
    answer_.totals.offered = scheduler_.all_offered();
    if (resized_) {
      std::string& engine = answer_.totals.engine;
      engine = engine_.description() + " at the end, " + std::to_string(answer_.totals.procs) + " at first";
      if (most_procs_ > std::max(procs_, answer_.totals.procs)) engine += ", " + std::to_string(most_procs_) + " meanwhile";
      answer_.totals.procs = procs_;
    }
    answer_.totals.costs = engine_.close();
    answer_.totals.wall += answer_.totals.costs.start;
    answer_.totals.counters = shared_.counts();  // nobody writes them any more
    flush();
    tell([&](Sink& sink) { return sink.finished(answer_.totals); });
  }

  Batch& batch_;
  Engine& engine_;
  std::span<Sink* const> sinks_;
  Interrupts* interrupts_;
  const GiveUpHandler& give_up_;
  const Shared& shared_;
  Guardian* guardian_;
  const std::optional<HaltRule> halt_;
  const Limits limits_;
  std::uint32_t cpus_;  // places
  Scheduler scheduler_;
  WakeUps wake_ups_;
  int awaited_ = -1;  // the input that the source of jobs waits for; -1: none
  RunAnswer answer_;
  Actions actions_;
  Actions carried_out_;  // those that carry_out() walks
  std::vector<EngineEvent> events_;
  std::vector<Sink*> broken_;
  std::optional<Duration> tick_interval_;
  TimePoint began_{}, now_{}, last_flush_{};
  TimePoint next_tick_ = TimePoint::max();
  std::optional<Bytes> free_memory_;
  TimePoint next_memory_look_{};
  std::uint32_t procs_ = 0, most_procs_ = 0;  // as the engine said last, and ever
  bool resized_ = false;
  std::string refused_;  // why there are not as many workers as were asked for
  TimePoint refused_at_{};
  unsigned heard_ = 0;
  std::uint32_t skipping_ = 0;  // jobs of this turn
  bool closed_ = false;
};

}  // namespace

Result<RunAnswer> run(Batch& batch, Engine& engine, std::span<Sink* const> sinks, Interrupts* interrupts,
                      const GiveUpHandler& give_up, const Shared& shared, Guardian* guardian,
                      const std::optional<HaltRule>& halt, const Limits& limits, const EndedBefore* before) {
  return Loop(batch, engine, sinks, interrupts, give_up, shared, guardian, halt, limits, before).run();
}

}  // namespace runner::master
