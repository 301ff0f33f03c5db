#include "report/trace_events.hpp"

#include <algorithm>
#include <array>
#include <queue>
#include <utility>

#include "report/costs_json.hpp"
#include "report/json_text.hpp"

namespace runner::report {

namespace {

using master::Span;

constexpr Duration kOne{1};

// Exact: 1.500 is 1500 ns.
void append_microseconds(std::string& out, Duration duration) {
  const std::int64_t all = std::max<std::int64_t>(0, duration.count());
  append_number(out, static_cast<std::uint64_t>(all / 1000));
  const std::int64_t rest = all % 1000;
  if (rest == 0) return;
  out += '.';
  out += static_cast<char>('0' + rest / 100);
  out += static_cast<char>('0' + rest / 10 % 10);
  out += static_cast<char>('0' + rest % 10);
}

std::string args_of(const TracedAttempt& attempt) {
  std::string args = R"({"status":)";
  append_json_string(args, attempt.status);
  args += R"(,"attempt":)";
  append_number(args, number(attempt.attempt));
  args += R"(,"job":)";
  append_number(args, number(attempt.job));
  if (attempt.costs.sampled != 0) {
    args += R"(,"costs":)";
    append_costs(args, attempt.costs);
  }
  args += '}';
  return args;
}

// Both ways of one attempt.
constexpr std::uint64_t flow_of(std::uint64_t id, bool collects) { return 2 * id + (collects ? 2 : 1); }

// An arrow belongs to the slice in which it begins or ends, and the end of a slice is no more in it.
Duration last_in(Duration begin, Duration end) { return std::max(begin, end - kOne); }

}  // namespace

Placed place(const master::AttemptCosts& costs, TimePoint began) {
  const auto at = [](Duration since) { return std::max(since, Duration::zero()); };
  const master::Spans& spans = costs.spans;
  Placed placed{};
  placed.seen = at(costs.seen - began);
  placed.begin = at(placed.seen - spans[Span::transport] - spans[Span::wake_up]);
  placed.serialized = at(placed.begin - spans[Span::queue_wait]);
  placed.serialize = at(placed.serialized - spans[Span::serialize]);
  placed.entered = placed.seen + spans[Span::deserialize];
  placed.left = placed.entered + spans[Span::execute];
  placed.answered = placed.left + spans[Span::answer];
  placed.collected = placed.answered + spans[Span::collect];
  return placed;
}

void nest(std::vector<MasterSlice>& slices) {
  // The first to begin on top; of those that begin together, the outer one.
  const auto after = [](const MasterSlice& a, const MasterSlice& b) {
    if (a.begin != b.begin) return a.begin > b.begin;
    if (a.end != b.end) return a.end < b.end;
    return std::pair(a.attempt, a.collects) > std::pair(b.attempt, b.collects);
  };
  std::priority_queue<MasterSlice, std::vector<MasterSlice>, decltype(after)> waiting(after, std::move(slices));
  slices.clear();
  std::vector<Duration> open;  // the ends of those around, the innermost last
  while (!waiting.empty()) {
    MasterSlice next = waiting.top();
    waiting.pop();
    while (!open.empty() && open.back() <= next.begin) open.pop_back();
    if (!open.empty() && open.back() < next.end) {
      next.begin = open.back();
      waiting.push(next);
      continue;
    }
    open.push_back(next.end);
    slices.push_back(next);
  }
}

void slices_of(const TracedAttempt& attempt, std::uint64_t id, TimePoint began, std::vector<MasterSlice>& slices) {
  if (!attempt.costs.measured || attempt.costs.sampled == 0) return;
  const Placed placed = place(attempt.costs, began);
  if (placed.serialized > placed.serialize) slices.push_back({placed.serialize, placed.serialized, id, false});
  if (placed.collected > placed.answered) slices.push_back({placed.answered, placed.collected, id, true});
}

std::vector<TraceEvent> events_of(const TracedAttempt& attempt, std::uint64_t id, TimePoint began) {
  std::vector<TraceEvent> events;
  if (!attempt.costs.measured) {
    events.push_back({Phase::instant, kMasterLane, "job", attempt.name, attempt.told, {}, 0, args_of(attempt)});
    return events;
  }
  const Lane lane = lane_of(attempt.worker);
  const Placed placed = place(attempt.costs, began);
  events.push_back(
      {Phase::complete, lane, "job", attempt.name, placed.begin, placed.answered - placed.begin, 0, args_of(attempt)});
  std::vector<MasterSlice> slices;
  slices_of(attempt, id, began, slices);
  const auto arrow = [&](Phase phase, Duration at, bool collects) {
    if (std::none_of(slices.begin(), slices.end(), [&](const MasterSlice& one) { return one.collects == collects; })) return;
    events.push_back({phase, lane, "ipc", collects ? "reply" : "request", at, {}, flow_of(id, collects), {}});
  };
  arrow(Phase::flow_end, placed.begin, false);
  Duration at = placed.begin;
  const Duration awake = placed.seen - std::min(attempt.costs.spans[Span::transport], placed.seen - placed.begin);
  constexpr std::array kDrawn{Span::wake_up, Span::transport, Span::deserialize, Span::execute, Span::answer};
  const std::array ends{awake, placed.seen, placed.entered, placed.left, placed.answered};
  for (std::size_t i = 0; i < kDrawn.size(); ++i) {
    if (ends[i] > at) {
      const std::string_view category = kDrawn[i] == Span::execute ? "work" : "ipc";
      events.push_back({Phase::complete, lane, category, name_of(kDrawn[i]), at, ends[i] - at, 0, {}});
    }
    at = ends[i];
  }
  arrow(Phase::flow_begin, last_in(placed.begin, placed.answered), true);
  if (attempt.retried) {
    std::string args = R"({"job":)";
    append_json_string(args, attempt.name);
    args += R"(,"after":)";
    append_json_string(args, attempt.status);
    args += R"(,"attempt":)";
    append_number(args, number(attempt.attempt));
    args += '}';
    events.push_back({Phase::instant, lane, "job", "retry", placed.answered, {}, 0, std::move(args)});
  }
  return events;
}

std::vector<TraceEvent> events_of(const MasterSlice& slice, const TracedAttempt& attempt) {
  std::string args = R"({"job":)";
  append_json_string(args, attempt.name);
  args += R"(,"seconds":)";
  append_seconds(args, attempt.costs.spans[slice.collects ? Span::collect : Span::serialize]);
  args += '}';
  const std::uint64_t flow = flow_of(slice.attempt, slice.collects);
  std::vector<TraceEvent> events;
  events.push_back({Phase::complete, kMasterLane, "ipc", name_of(slice.collects ? Span::collect : Span::serialize), slice.begin,
                    slice.end - slice.begin, 0, std::move(args)});
  if (slice.collects) {
    events.push_back({Phase::flow_end, kMasterLane, "ipc", "reply", slice.begin, {}, flow, {}});
  } else {
    events.push_back({Phase::flow_begin, kMasterLane, "ipc", "request", last_in(slice.begin, slice.end), {}, flow, {}});
  }
  return events;
}

void append_event(std::string& out, const TraceEvent& event) {
  out += R"({"ph":")";
  out += static_cast<char>(event.phase);
  out += R"(","pid":1,"tid":)";
  append_number(out, static_cast<std::uint32_t>(event.lane));
  out += R"(,"ts":)";
  append_microseconds(out, event.at);
  if (event.phase == Phase::complete) {
    out += R"(,"dur":)";
    append_microseconds(out, event.length);
  }
  if (!event.category.empty()) {
    out += R"(,"cat":)";
    append_json_string(out, event.category);
  }
  out += R"(,"name":)";
  append_json_string(out, event.name);
  if (event.phase == Phase::flow_begin || event.phase == Phase::flow_end) {
    out += R"(,"id":)";
    append_number(out, event.flow);
    if (event.phase == Phase::flow_end) out += R"(,"bp":"e")";  // it ends in the slice around it, not in the next one
  }
  if (event.phase == Phase::instant) out += R"(,"s":"t")";
  if (!event.args.empty()) out.append(R"(,"args":)").append(event.args);
  out += '}';
}

}  // namespace runner::report
