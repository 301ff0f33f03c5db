#include "master/costs.hpp"

#include <numeric>

namespace runner::master {

std::string_view name_of(Span span) {
  constexpr std::array<std::string_view, kSpans> names{"queue_wait",  "serialize", "transport", "wake_up",
                                                       "deserialize", "execute",   "answer",    "collect"};
  return names[static_cast<std::size_t>(span)];
}

std::string_view name_of(Use use) {
  constexpr std::array<std::string_view, kUses> names{"start",   "waiting", "wake_up", "deserialize",
                                                      "execute", "answer",  "idle",    "stop"};
  return names[static_cast<std::size_t>(use)];
}

Duration Spans::latency() const { return std::accumulate(spans_.begin(), spans_.end(), Duration::zero()); }

Duration Account::total() const { return std::accumulate(uses_.begin(), uses_.end(), Duration::zero()); }

Account Costs::all_workers() const {
  Account all;
  for (const Account& worker : workers) all += worker;
  return all;
}

Duration Costs::worker_seconds() const { return wall * static_cast<std::int64_t>(workers.size()) - all_workers().absent; }

double Costs::workers_at_a_time() const {
  return wall <= Duration::zero() ? static_cast<double>(workers.size())
                                  : static_cast<double>(worker_seconds().count()) / static_cast<double>(wall.count());
}

}  // namespace runner::master
