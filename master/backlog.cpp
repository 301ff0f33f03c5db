#include "master/backlog.hpp"

namespace runner::master {

Backlog::Backlog(const Plan& plan, std::size_t demands, const EndedBefore* before)
    : plan_(plan), before_(before), blocks_(plan.blocks.size()), groups_(plan.groups.size()), ready_(demands) {
  for (std::size_t g = 0; g < groups_.size(); ++g) groups_[g].left = plan.groups[g].size;
  for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
    left_ += plan.blocks[b].size;
    blocks_[b].unmet = static_cast<std::uint32_t>(plan.needs[b].size());
    pass_over(b);
    if (blocks_[b].unmet == 0 && !over(b)) make_ready(b);
  }
  if (before == nullptr) return;
  auto ill = before->ill.begin();
  for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
    const std::uint64_t first = number(plan.blocks[b].first), end = first + plan.blocks[b].size;
    std::uint64_t well = 0;
    for (std::uint64_t job = first; job < end; ++job) well += before->has(JobId{job}) ? 1U : 0U;
    left_ -= well;
    for (; ill != before->ill.end() && number(ill->job) < end; ++ill, --well) fail_groups(b, ill->name, kNone);
    if (well != 0) leave_groups(b, well);
  }
}

void Backlog::pass_over(std::uint32_t block) {
  if (before_ == nullptr) return;
  const Plan::Block& all = plan_.blocks[block];
  std::uint64_t& next = blocks_[block].next;
  while (next < all.size && before_->has(JobId{number(all.first) + next})) ++next;
}

Backlog::Place Backlog::next_of(std::uint32_t block) {
  const Place place{JobId{number(plan_.blocks[block].first) + blocks_[block].next++}, block};
  pass_over(block);
  --left_;
  return place;
}

void Backlog::make_ready(std::uint32_t block) {
  const Plan::Block& ready = plan_.blocks[block];
  ready_[ready.demand].push({ready.priority, block});
}

std::optional<Backlog::Head> Backlog::head(std::uint32_t demand) const {
  if (ready_[demand].empty()) return std::nullopt;
  const Ready& first = ready_[demand].top();
  return Head{first.priority, JobId{number(plan_.blocks[first.block].first) + blocks_[first.block].next}};
}

Backlog::Place Backlog::take(std::uint32_t demand) {
  const std::uint32_t b = ready_[demand].top().block;
  const Place place = next_of(b);
  if (over(b)) ready_[demand].pop();
  return place;
}

std::optional<Backlog::Place> Backlog::skip() {
  if (lost_.empty()) return std::nullopt;
  const std::uint32_t b = lost_.front();
  const Place place = next_of(b);
  if (over(b)) lost_.pop_front();
  return place;
}

std::string Backlog::why_skipped(std::uint32_t block) const {
  const Cause& direct = causes_[blocks_[block].cause];
  if (direct.because == kNone) return "needs " + direct.job;
  return "needs " + direct.job + " (for want of " + causes_[direct.because].job + ")";
}

void Backlog::skipped(Place place, std::string_view name) {
  const std::uint32_t cause = blocks_[place.block].cause;
  const std::uint32_t first = causes_[cause].because;
  fail_groups(place.block, name, first == kNone ? cause : first);
}

void Backlog::ended(std::uint32_t block, std::string_view name, bool well) {
  if (!well) return fail_groups(block, name, kNone);
  leave_groups(block, 1);
}

void Backlog::leave_groups(std::uint32_t block, std::uint64_t jobs) {
  for (const std::uint32_t g : plan_.groups_of[block]) {
    groups_[g].left -= jobs;
    if (groups_[g].left != 0 || groups_[g].failed) continue;
    for (const std::uint32_t waiter : plan_.waiters[g]) {
      if (--blocks_[waiter].unmet == 0 && !over(waiter)) make_ready(waiter);
    }
  }
}

void Backlog::fail_groups(std::uint32_t block, std::string_view name, std::uint32_t because) {
  std::uint32_t cause = kNone;
  for (const std::uint32_t g : plan_.groups_of[block]) {
    --groups_[g].left;
    if (groups_[g].failed) continue;
    groups_[g].failed = true;
    for (const std::uint32_t waiter : plan_.waiters[g]) {
      if (blocks_[waiter].cause != kNone) continue;
      if (cause == kNone) {
        cause = static_cast<std::uint32_t>(causes_.size());
        causes_.push_back({std::string(name), because});
      }
      blocks_[waiter].cause = cause;
      if (!over(waiter)) lost_.push_back(waiter);
    }
  }
}

}  // namespace runner::master
