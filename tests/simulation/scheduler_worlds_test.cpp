// The pure scheduler in thousands of seeded worlds of slow, dying, lying workers; no process is started and no clock is read.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "master/scheduler.hpp"

namespace runner::master {
namespace {

using std::chrono::milliseconds;

struct Running {
  JobId job;
  Attempt attempt;
  TimePoint ends;
  bool begun = false;
  bool hangs = false;
  bool typed = true;
  bool stopped = false;
};

// Blocks of a few jobs, and groups of a few blocks; a block needs only groups whose blocks come before it in a secret order, so that
// there is no cycle.
Plan some_plan(std::mt19937_64& random, std::uint64_t jobs, std::size_t demands) {
  const auto below = [&random](std::uint64_t n) { return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random); };
  Plan plan;
  for (std::uint64_t first = 0; first < jobs;) {
    const std::uint64_t size = std::min(jobs - first, 1 + below(5));
    plan.blocks.push_back(
        {JobId{first}, size, static_cast<std::int32_t>(below(3)), static_cast<std::uint32_t>(below(demands))});
    first += size;
  }
  const std::size_t blocks = plan.blocks.size();
  std::vector<std::size_t> rank(blocks);
  for (std::size_t b = 0; b < blocks; ++b) rank[b] = b;
  std::shuffle(rank.begin(), rank.end(), random);
  std::vector<std::vector<std::uint32_t>> groups_of(blocks), needs(blocks);
  const auto groups = static_cast<std::uint32_t>(below(blocks + 1));
  for (std::uint32_t g = 0; g < groups; ++g) {
    Plan::Group group{"g" + std::to_string(g), 0};
    std::size_t last = 0;
    const std::uint64_t first_member = below(blocks);
    for (std::uint32_t b = 0; b < blocks; ++b) {
      if (b != first_member && below(6) != 0) continue;
      groups_of[b].push_back(g);
      group.size += plan.blocks[b].size;
      last = std::max(last, rank[b]);
    }
    plan.groups.push_back(group);
    for (std::size_t b = 0; b < blocks; ++b) {
      if (rank[b] > last && below(3) == 0) needs[b].push_back(g);
    }
  }
  for (std::size_t b = 0; b < blocks; ++b) {
    plan.needs.add(needs[b]);
    plan.groups_of.add(groups_of[b]);
  }
  plan.waiters = plan.needs.inverted(groups);
  plan.members = plan.groups_of.inverted(groups);
  return plan;
}

class World {
 public:
  explicit World(std::uint64_t seed)
      : random_(seed),
        can_end_(below(2) == 0),
        jobs_(1 + below(60)),
        procs_(1 + below(8)),
        resources_{{"a", 1 + below(3)}, {"b", 1 + below(2)}},
        demands_(some_demands()),
        plan_(below(2) == 0 ? std::optional(some_plan(random_, jobs_, demands_.size())) : std::nullopt),
        halt_(some_halt()),
        scheduler_(can_end_, {plan_ ? &*plan_ : nullptr, halt_, jobs_, nullptr, static_cast<std::uint32_t>(procs_), resources_,
                              demands_}) {
    for (std::uint64_t i = 0; i < jobs_; ++i) {
      demand_of_.push_back(plan_ ? plan_->blocks[plan_->block_of(JobId{i})].demand
                                 : static_cast<std::uint32_t>(below(demands_.size())));
    }
  }

  void live() {
    const bool interrupted = below(6) == 0, resized = below(3) == 0;
    const std::uint64_t interrupt_at = below(200);
    std::uint64_t presses = 0;
    for (std::uint64_t turn = 0; !scheduler_.done() && !closed_; ++turn) {
      ASSERT_LT(turn, 100'000U) << "the batch never ends";
      if (interrupted && turn >= interrupt_at && presses < 3 && (turn - interrupt_at) % 40 == 0) {
        ++presses;
        scheduler_.interrupt(now_, actions_);
        carry_out();
        if (closed_) break;
      }
      if (resized && below(5) == 0) resize();
      skip();
      fill();
      now_ += milliseconds(1 + below(20));
      happen();
      scheduler_.tick(now_, actions_);
      carry_out();
      if (testing::Test::HasFatalFailure()) return;
    }
    if (closed_ || gave_up_) return;
    EXPECT_EQ(scheduler_.in_flight(), 0U);
    if (presses == 0 && !scheduler_.halted()) {
      EXPECT_FALSE(halt_ && halt_->reached(tally_, jobs_)) << "the halt rule was overlooked";
      EXPECT_EQ(reported_.size(), jobs_) << "a job was lost";
      EXPECT_EQ(given_ + skipped_.size(), jobs_);
    }
    EXPECT_TRUE(running_.empty()) << "the engine still holds a job that the scheduler forgot";
    EXPECT_FALSE(scheduler_.next_deadline().has_value());
  }

 private:
  std::optional<HaltRule> some_halt() {
    if (below(4) != 0) return std::nullopt;
    const HaltRule::Why whys[] = {HaltRule::Why::fail, HaltRule::Why::success, HaltRule::Why::done};
    return HaltRule{below(2) == 0 ? HaltRule::When::now : HaltRule::When::soon, whys[below(3)],
                    1.0 + static_cast<double>(below(20)), below(2) == 0};
  }

  // In every second world jobs take all kinds of things.
  std::vector<Demand> some_demands() {
    std::vector<Demand> demands{{}};
    for (std::uint64_t more = below(2) * (1 + below(4)); more > 0; --more) {
      demands.push_back({static_cast<std::uint32_t>(1 + below(procs_)), {}, {}});
      if (below(2) == 0) demands.back().resources = {below(resources_[0].count + 1), below(resources_[1].count + 1)};
    }
    return demands;
  }

  // What runs takes no more than there is; only jobs that take nothing special may lie behind each other.
  void look_at_what_is_taken() {
    std::uint64_t cpus = 0, a = 0, b = 0;
    bool counted = false;
    for (const Running& one : running_) {
      const Demand& demand = demands_[demand_of_[number(one.job)]];
      cpus += demand.cpus;
      counted = counted || !demand.plain();
      if (demand.resources.empty()) continue;
      a += demand.resources[0];
      b += demand.resources[1];
    }
    EXPECT_LE(a, resources_[0].count);
    EXPECT_LE(b, resources_[1].count);
    if (counted) {
      EXPECT_LE(cpus, procs_);
    }
  }

  std::uint64_t below(std::uint64_t n) { return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random_); }

  void fill() {
    while (running_.size() < procs_ * 2) {
      const auto room = static_cast<std::uint32_t>(procs_ * 2 - running_.size());
      if (scheduler_.start_waiting(room, actions_) == 0) {
        if (!scheduler_.wants_jobs()) break;
        if (!plan_ && given_ == jobs_) {
          scheduler_.source_ended(actions_);
          break;
        }
        const std::optional<JobId> chosen = scheduler_.next_to_offer();
        EXPECT_EQ(chosen.has_value(), plan_.has_value());
        JobSpec& job = vacancy(chosen.value_or(JobId{given_}));
        ++given_;
        if (below(2) == 0) job.work = CommandWork{};
        if (below(2) == 0) job.timeout = milliseconds(1 + below(50));
        job.retries = static_cast<std::uint32_t>(below(3));
        job.crash_limit = static_cast<std::uint32_t>(1 + below(3));
        job.retry_on.out_of_memory = below(2) == 0;
        job.allow_failure = below(4) == 0;
        if (below(3) == 0) job.backoff = {milliseconds(below(40)), 1.0 + static_cast<double>(below(3)), milliseconds(100), 0.5};
        backoff_[number(job.id)] = job.backoff;
        limits_[number(job.id)] = job.crash_limit;
        retries_[number(job.id)] = job.retries;
        scheduler_.offer(actions_);
      }
      carry_out();
    }
    carry_out();
  }

  // More workers, or fewer, but as many as the widest job takes that may still run. Some of what was not begun comes back.
  void resize() {
    const std::uint64_t least = scheduler_.widest().cpus, wanted = std::max(least, 1 + below(8));
    scheduler_.resize(static_cast<std::int64_t>(wanted) - static_cast<std::int64_t>(procs_));
    procs_ = wanted;
    if (below(2) == 0) take_back();
    carry_out();
  }

  JobSpec& vacancy(JobId id) {
    JobSpec& job = scheduler_.vacancy();
    job = JobSpec{};
    job.id = id;
    job.name = "job-" + std::to_string(number(id));
    job.demand = demand_of_[number(id)];
    if (plan_) job.priority = plan_->blocks[plan_->block_of(id)].priority;
    return job;
  }

  void skip() {
    while (const std::optional<JobId> id = scheduler_.next_to_skip()) {
      skipped_.insert(number(*id));
      static_cast<void>(vacancy(*id));
      scheduler_.skip(actions_);
      carry_out();
    }
  }

  // Of the jobs that this one needs: whether some did not end at all, or not well.
  struct Needs {
    bool open = false, bad = false;
  };
  Needs needs_of(std::uint32_t block) const {
    Needs needs;
    for (const std::uint32_t g : plan_->needs[block]) {
      for (const std::uint32_t b : plan_->members[g]) {
        for (std::uint64_t i = 0; i < plan_->blocks[b].size; ++i) {
          const auto ended = well_.find(number(plan_->blocks[b].first) + i);
          needs.open = needs.open || ended == well_.end();
          needs.bad = needs.bad || (ended != well_.end() && !ended->second);
        }
      }
    }
    return needs;
  }

  void look_at_the_order(JobId started) {
    const std::uint32_t block = plan_->block_of(started);
    const Needs needs = needs_of(block);
    EXPECT_FALSE(needs.open || needs.bad) << "a job was started without what it needs";
    for (std::uint32_t b = 0; b < plan_->blocks.size(); ++b) {
      if (plan_->blocks[b].priority <= plan_->blocks[block].priority) continue;
      const Needs others = needs_of(b);
      if (others.open || others.bad) continue;
      if (demands_.size() > 1) continue;  // what it takes may not have been free
      for (std::uint64_t i = 0; i < plan_->blocks[b].size; ++i) {
        EXPECT_TRUE(started_.contains(number(plan_->blocks[b].first) + i)) << "a job of higher priority was ready";
      }
    }
  }

  // Something happens to some of the jobs that the engine holds, and sometimes it lies.
  void happen() {
    for (std::size_t i = 0; i < running_.size();) {
      Running& one = running_[i];
      if (!one.begun && below(3) != 0) {
        one.begun = true;
        JobStarted started{one.job, one.attempt, WorkerId{0}, now_};
        scheduler_.on(started, now_, actions_);
      }
      if (!one.begun && below(20) == 0) {
        JobReturned returned{one.job, one.attempt};
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
        scheduler_.on(returned, now_, actions_);
      } else if (one.begun && !one.hangs && one.ends <= now_) {
        JobEnded ended{one.job, one.attempt, WorkerId{0}, some_outcome()};
        ended.worker_died = std::holds_alternative<Crashed>(ended.outcome.ending) && one.typed;
        if (ended.worker_died && !one.stopped) ++deaths_[number(one.job)];
        came_back_[number(one.job)] = now_;
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
        scheduler_.on(ended, now_, actions_);
        if (below(10) == 0) lie(ended.job, ended.attempt);
      } else {
        ++i;
      }
      carry_out();
    }
    if (below(10) == 0) lie(JobId{below(100)}, Attempt{static_cast<std::uint32_t>(1 + below(4))});
  }

  // About an attempt that the engine does not hold: must change nothing.
  void lie(JobId job, Attempt attempt) {
    if (std::any_of(running_.begin(), running_.end(),
                    [&](const Running& one) { return one.job == job && one.attempt == attempt; }))
      return;
    const std::size_t before = actions_.size();
    JobEnded ended{job, attempt, WorkerId{0}, some_outcome()};
    scheduler_.on(ended, now_, actions_);
    JobReturned returned{job, attempt};
    scheduler_.on(returned, now_, actions_);
    EXPECT_EQ(actions_.size(), before);
  }

  Outcome some_outcome() {
    Outcome outcome;
    switch (below(5)) {
      case 0: outcome.ending = Failed{"no"}; break;
      case 1: outcome.ending = Crashed{11, {}}; break;
      case 2: outcome.ending = OutOfMemory{"big"}; break;
      default: break;
    }
    return outcome;
  }

  void carry_out() {
    for (std::size_t i = 0; i < actions_.size(); ++i) carry_out(actions_[i]);
    actions_.clear();
    scheduler_.recycle();
  }
  void carry_out(const Action& action) {
    if (const auto* start = std::get_if<StartJob>(&action)) {
      const std::uint64_t id = number(start->job->id);
      EXPECT_FALSE(scheduler_.stopping()) << "a job was started after an interrupt";
      EXPECT_FALSE(reported_.contains(id)) << "a job was started after it was reported";
      EXPECT_LE(number(start->attempt), retries_[id] + 1);
      if (started_.insert(id).second && plan_) look_at_the_order(start->job->id);
      EXPECT_LT(deaths_[id], limits_[id]) << "a job was started again that had killed enough";
      if (number(start->attempt) > 1) {
        const Duration pause = backoff_[id].after(start->job->id, Attempt{number(start->attempt) - 1});
        EXPECT_GE(now_, came_back_[id] + pause) << "a job was started again too soon";
      }
      EXPECT_EQ(start->job->name, "job-" + std::to_string(id)) << "its spec was overwritten";
      for (const Running& one : running_) EXPECT_NE(number(one.job), id) << "a job runs twice at a time";
      running_.push_back({start->job->id, start->attempt, now_ + milliseconds(below(60)), false,
                          below(30) == 0 && start->job->timeout != Duration::zero(),
                          std::holds_alternative<TypedWork>(start->job->work)});
      look_at_what_is_taken();
    } else if (const auto* report = std::get_if<ReportJob>(&action)) {
      const std::uint64_t id = number(report->job->id);
      EXPECT_TRUE(reported_.insert(id).second) << "reported twice";
      EXPECT_EQ(report->outcome.quarantined, started_.contains(id) && deaths_[id] >= limits_[id]);
      if (skipped_.contains(id)) {
        EXPECT_TRUE(needs_of(plan_->block_of(report->job->id)).bad) << "a job was skipped that misses nothing";
        EXPECT_FALSE(started_.contains(id)) << "a job was skipped that had been started";
      }
      const bool cancelled = std::holds_alternative<Cancelled>(report->outcome.ending);
      well_[id] = succeeded(report->outcome) || (report->job->allow_failure && !cancelled);
      ++tally_.done;
      if (succeeded(report->outcome)) ++tally_.succeeded;
      if (!succeeded(report->outcome) && !cancelled && !report->job->allow_failure) ++tally_.failed;
    } else if (const auto* stop = std::get_if<StopJob>(&action)) {
      end(stop->job, stop->attempt, stop->reason);
    } else if (std::holds_alternative<TakeBackUnstarted>(action)) {
      take_back();
    } else if (std::holds_alternative<GiveUp>(action)) {
      EXPECT_FALSE(can_end_);
      gave_up_ = closed_ = true;
    } else if (std::holds_alternative<CloseAtOnce>(action)) {
      closed_ = true;
    } else {
      EXPECT_TRUE(std::holds_alternative<ReportRetry>(action));
    }
  }

  void end(JobId job, Attempt attempt, StopReason reason) {
    for (Running& one : running_) {
      if (one.job != job || one.attempt != attempt) continue;
      EXPECT_TRUE(one.begun || reason == StopReason::interrupt) << "timed out before it began";
      if (!can_end_ && one.hangs && one.typed) return;  // in this process nothing ends it
      one.begun = one.stopped = true;
      one.hangs = false;
      one.ends = now_;
    }
  }
  void take_back() {
    std::vector<Running> back;
    std::erase_if(running_, [&](const Running& one) {
      if (!one.begun) back.push_back(one);
      return !one.begun;
    });
    for (const Running& one : back) {
      JobReturned returned{one.job, one.attempt};
      scheduler_.on(returned, now_, actions_);
    }
  }

  std::mt19937_64 random_;
  bool can_end_;
  std::uint64_t jobs_;
  std::uint64_t procs_;
  std::vector<Resource> resources_;
  std::vector<Demand> demands_;
  std::optional<Plan> plan_;
  std::vector<std::uint32_t> demand_of_;  // by job
  std::optional<HaltRule> halt_;
  Scheduler scheduler_;
  std::uint64_t given_ = 0;
  TimePoint now_{};
  Actions actions_;
  std::vector<Running> running_;
  std::map<std::uint64_t, std::uint32_t> retries_;
  std::map<std::uint64_t, std::uint32_t> limits_, deaths_;
  std::map<std::uint64_t, Backoff> backoff_;
  std::map<std::uint64_t, TimePoint> came_back_;  // when its last attempt ended
  HaltRule::Tally tally_;
  std::map<std::uint64_t, bool> well_;  // of those reported: what needs them may start
  std::set<std::uint64_t> reported_, started_, skipped_;
  bool closed_ = false, gave_up_ = false;
};

TEST(SchedulerWorlds, EveryJobEndsExactlyOnceInTenThousandSeededWorlds) {
  for (std::uint64_t seed = 1; seed <= 10'000; ++seed) {
    World(seed).live();
    ASSERT_FALSE(HasFailure()) << "in the world of seed " << seed;
  }
}

}  // namespace
}  // namespace runner::master
