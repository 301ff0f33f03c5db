// backlog.hpp - of a batch with a plan: which job may start next, and which never will, for want of one that it needs.
//
// Called from  the scheduler.
// Owns         some words for each block and group of the plan, whatever the number of their jobs. The plan, and what ended before,
//              must outlive it.
// Fails with   cannot fail.
// Call order   (take | skip | ended), in any order; ended once for each job that was taken
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include <runner/plan.hpp>
#include "master/ended_before.hpp"

namespace runner::master {

class Backlog {
 public:
  // `demands`: how many different ones its blocks may have. `before`, if there is one: jobs that are neither taken nor skipped any
  // more, and count for those that need them.
  explicit Backlog(const Plan& plan, std::size_t demands = 1, const EndedBefore* before = nullptr);

  struct Place {
    JobId job{};
    std::uint32_t block = 0;
  };

  // The job that take() would answer, and its priority; none: nothing of this demand is ready.
  struct Head {
    std::int32_t priority;
    JobId job;
  };
  [[nodiscard]] std::optional<Head> head(std::uint32_t demand = 0) const;
  // Of the ready jobs of this demand that of the highest priority; among equals the first of the batch.
  [[nodiscard]] Place take(std::uint32_t demand = 0);

  // A job that can never run. skipped() must follow.
  [[nodiscard]] std::optional<Place> skip();
  // What it is missing, for a person: "needs a", "needs b (for want of a)".
  [[nodiscard]] std::string why_skipped(std::uint32_t block) const;
  void skipped(Place place, std::string_view name);

  // Well, or as badly as it is allowed to: those that need it may start. Else they never will.
  void ended(std::uint32_t block, std::string_view name, bool well);

  // Every job was taken or skipped.
  [[nodiscard]] bool empty() const { return left_ == 0; }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct BlockState {
    std::uint64_t next = 0;       // of its jobs
    std::uint32_t unmet = 0;      // groups
    std::uint32_t cause = kNone;  // why it is skipped
  };
  struct GroupState {
    std::uint64_t left = 0;  // jobs that have not ended
    bool failed = false;
  };
  struct Cause {
    std::string job;        // that did not end well
    std::uint32_t because;  // another cause, when it was skipped itself; kNone: it failed
  };
  struct Ready {
    std::int32_t priority;
    std::uint32_t block;
    bool operator<(const Ready& other) const {
      return priority != other.priority ? priority < other.priority : block > other.block;
    }
  };

  // Its next job; what ended before is passed over.
  [[nodiscard]] Place next_of(std::uint32_t block);
  void pass_over(std::uint32_t block);
  [[nodiscard]] bool over(std::uint32_t block) const { return blocks_[block].next == plan_.blocks[block].size; }
  void make_ready(std::uint32_t block);
  void fail_groups(std::uint32_t block, std::string_view name, std::uint32_t because);
  void leave_groups(std::uint32_t block, std::uint64_t jobs);

  const Plan& plan_;
  const EndedBefore* before_;
  std::vector<BlockState> blocks_;
  std::vector<GroupState> groups_;
  std::vector<Cause> causes_;
  std::vector<std::priority_queue<Ready>> ready_;  // by demand
  std::deque<std::uint32_t> lost_;                 // blocks to be skipped
  std::uint64_t left_ = 0;                         // jobs
};

}  // namespace runner::master
