#include "master/ledger.hpp"

#include <algorithm>

namespace runner::master {

void Ledger::open(std::uint32_t workers, TimePoint at) {
  opened_ = last_answer_ = at;
  workers_.assign(workers, {at, {}, false, false});
  costs_ = Costs{};
  costs_.kept = keeps();
  costs_.workers.resize(workers);
}

Ledger::Choice Ledger::sample(Duration expected) {
  if (expected >= kWorthAll || measure_ == Measure::all) return {1, true};
  if (until_next_ != 0) {
    --until_next_;
    return {kOneIn, false};
  }
  until_next_ = kOneIn - 1;
  return {kOneIn, true};
}

void Ledger::arrived(std::uint32_t worker, TimePoint at) {
  Worker& of = workers_[worker];
  at = std::max(at, of.until);
  costs_.workers[worker][Use::start] += at - of.until;
  of = {at, {}, true, false};
}

void Ledger::lost(std::uint32_t worker, TimePoint at) {
  Worker& of = workers_[worker];
  at = std::max(at, of.until);
  costs_.workers[worker][of.there ? Use::idle : Use::start] += at - of.until;
  of = {at, {}, false, false};
}

void Ledger::joined(std::uint32_t worker, TimePoint at) {
  if (worker >= workers_.size()) {
    workers_.resize(worker + std::size_t{1}, {opened_, {}, false, true});
    costs_.workers.resize(workers_.size());
  }
  Worker& of = workers_[worker];
  if (!of.absent) return;
  at = std::max(at, of.until);
  costs_.workers[worker].absent += at - of.until;
  of = {at, {}, false, false};
}

void Ledger::left(std::uint32_t worker, TimePoint over, TimePoint gone) {
  Worker& of = workers_[worker];
  if (of.absent) return;
  close(worker, over, gone, costs_.workers[worker]);
  of = {std::max(gone, of.until), {}, false, true};
}

void Ledger::close(std::uint32_t worker, TimePoint over, TimePoint gone, Account& account) const {
  const Worker& of = workers_[worker];
  if (of.absent) {
    account.absent += std::max(gone, of.until) - of.until;
    return;
  }
  const TimePoint end = std::clamp(over, of.until, std::max(of.until, gone));
  // One that had died was being replaced.
  account[of.there ? Use::idle : Use::start] += end - of.until;
  account[Use::stop] += std::max(gone, end) - end;
}

// Once per job, however short that is. So each sum is added to as soon as its summand is there: to read the array of spans back
// in larger pieces than it was written in stalls until the writes are through.
void Ledger::ended(std::uint32_t worker, const Stamps& stamps, AttemptCosts& costs) {
  Worker& of = workers_[worker];
  Account& account = costs_.workers[worker];
  costs.measured = true;
  costs.sampled = stamps.sampled ? stamps.one_in : 0;
  const auto span = [&](Span which, Duration took, Duration of_the_one_before = {}) {
    costs.spans[which] = took;
    costs_.attempts[which] += took + of_the_one_before;
  };

  // In order, whatever they say.
  const TimePoint collected = stamps.collected;
  const TimePoint ready = std::min(stamps.ready, collected), handed = std::clamp(stamps.handed, ready, collected),
                  published = std::clamp(stamps.published, handed, collected);
  const TimePoint free = std::clamp(stamps.free, of.until, std::max(of.until, collected));
  const TimePoint begin = std::max(published, free);  // of the way to a worker that had nothing else to do
  const TimePoint last = std::max(begin, collected);
  const TimePoint seen = std::clamp(stamps.seen, begin, last), entered = std::clamp(stamps.entered, seen, last),
                  left = std::clamp(stamps.left, entered, last), answered = std::clamp(stamps.answered, left, last);
  // A worker sleeps only while nothing is there: one that "woke" with this job behind another was not asleep.
  const bool woke = stamps.woken != TimePoint{} && published >= free;
  const TimePoint awake = woke ? std::clamp(stamps.woken, begin, seen) : begin;

  span(Span::queue_wait, (handed - ready) + (begin - published));
  span(Span::serialize, stamps.encoding + (published - handed));
  span(Span::wake_up, awake - begin);
  span(Span::transport, seen - awake);
  span(Span::deserialize, entered - seen);
  span(Span::execute, left - entered);
  // The reply before was still on its way when it was complete, and collected meanwhile.
  const Duration late = free - of.until, meanwhile = std::min(late, of.collect);
  span(Span::answer, answered - left, late);
  span(Span::collect, last - answered, -meanwhile);
  costs.seen = seen;

  account[Use::answer] += late + (answered - left);
  account[Use::idle] += begin - free;
  account[Use::wake_up] += awake - begin;
  account[Use::waiting] += seen - awake;
  account[Use::deserialize] += entered - seen;
  account[Use::execute] += left - entered;
  of.collect = last - answered;
  of.until = answered;
  last_answer_ = std::max(last_answer_, answered);

  ++costs_.measured;
  if (woke) ++costs_.wake_ups;
  costs_.sampled = std::max(costs_.sampled, stamps.one_in);
  if (stamps.one_in != 1) ++some_;
  if (stamps.sampled) {
    for (std::size_t i = 0; i < kSpans; ++i) costs_.distribution[i].add(costs.spans[static_cast<Span>(i)]);
    if (stamps.one_in != 1) {
      ++sampled_of_some_;
      placed_of_some_ += published - handed;
    }
  }
}

Costs Ledger::close(TimePoint over, TimePoint gone) {
  Costs costs = costs_;
  costs.wall = gone - opened_;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const Worker& of = workers_[i];
    close(static_cast<std::uint32_t>(i), over, gone, costs.workers[i]);
    if (of.there) costs.tail += std::max(last_answer_, of.until) - of.until;
  }
  if (sampled_of_some_ != 0) {
    const double missing = static_cast<double>(some_ - sampled_of_some_) / static_cast<double>(sampled_of_some_);
    costs.attempts[Span::serialize] +=
        Duration(static_cast<std::int64_t>(static_cast<double>(placed_of_some_.count()) * missing));
  }
  return costs;
}

}  // namespace runner::master
