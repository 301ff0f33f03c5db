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

void append_thousandths(std::string& out, std::uint64_t all) {
  append_number(out, all / 1000);
  const std::uint64_t rest = all % 1000;
  if (rest == 0) return;
  out += '.';
  out += static_cast<char>('0' + rest / 100);
  out += static_cast<char>('0' + rest / 10 % 10);
  out += static_cast<char>('0' + rest % 10);
}
// Exact: 1.500 is 1500 ns.
void append_microseconds(std::string& out, Duration duration) {
  append_thousandths(out, static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count())));
}

void append_args(std::string& out, const TracedAttempt& attempt) {
  out += R"({"status":)";
  append_json_string(out, attempt.status);
  out += R"(,"attempt":)";
  append_number(out, number(attempt.attempt));
  out += R"(,"job":)";
  append_number(out, number(attempt.job));
  if (attempt.costs.sampled != 0) {
    out += R"(,"costs":)";
    append_costs(out, attempt.costs);
  }
  out += '}';
}
std::string args_of(const TracedAttempt& attempt) {
  std::string args;
  append_args(args, attempt);
  return args;
}

// What is drawn of an attempt on its worker's lane, one after the other.
struct Drawn {
  Span span;
  Duration begin, end;
};
std::array<Drawn, 5> drawn(const Placed& placed, const master::Spans& spans) {
  const Duration awake = placed.seen - std::min(spans[Span::transport], placed.seen - placed.begin);
  return {{{Span::wake_up, placed.begin, awake},
           {Span::transport, awake, placed.seen},
           {Span::deserialize, placed.seen, placed.entered},
           {Span::execute, placed.entered, placed.left},
           {Span::answer, placed.left, placed.answered}}};
}
TraceEvent event_of(const Drawn& one, Lane lane) {
  return {Phase::complete,
          lane,
          one.span == Span::execute ? "work" : "ipc",
          name_of(one.span),
          one.begin,
          one.end - one.begin,
          0,
          {}};
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
  std::vector<MasterSlice> open;  // those around, the innermost last
  while (!waiting.empty()) {
    MasterSlice next = waiting.top();
    waiting.pop();
    while (!open.empty() && open.back().end <= next.begin) open.pop_back();
    if (!open.empty() && open.back().end < next.end) {
      next.begin = open.back().end;
      waiting.push(next);
      continue;
    }
    // Where it is too short for that, it stays: it may not lose all its length.
    if (!open.empty()) next.begin = std::max(next.begin, std::min(open.back().begin + kOne, next.end - kOne));
    open.push_back(next);
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
  for (const Drawn& one : drawn(placed, attempt.costs.spans)) {
    if (one.end > one.begin) events.push_back(event_of(one, lane));
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
    events.push_back({Phase::flow_begin, kMasterLane, "ipc", "request", slice.begin, {}, flow, {}});
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

void append_outline(std::string& out, const TracedAttempt& attempt, TimePoint began) {
  const bool measured = attempt.costs.measured;
  const Placed placed = place(attempt.costs, began);
  TraceEvent whole{Phase::complete, lane_of(attempt.worker),        "job", attempt.name,
                   placed.begin,    placed.answered - placed.begin, 0,     {}};
  if (!measured) whole = {Phase::instant, kMasterLane, "job", attempt.name, attempt.told, {}, 0, {}};
  append_event(out, whole);
  out.back() = ',';  // the closing brace comes after its arguments
  out += R"("args":)";
  append_args(out, attempt);
  out += '}';
  if (!measured) return;
  for (const Drawn& one : drawn(placed, attempt.costs.spans)) {
    if (one.end <= one.begin) continue;
    out += ",\n";
    append_event(out, event_of(one, whole.lane));
  }
}

void append_lane(std::string& out, Lane lane) {
  append_event(out, {Phase::metadata, lane, {}, "thread_name", {}, {}, 0, {}});
  out.back() = ',';
  out += R"("args":{"name":")";
  if (lane == kMasterLane) {
    out += "master";
  } else {
    out += "worker ";
    append_number(out, static_cast<std::uint32_t>(lane) - 1);
  }
  out += "\"}},\n";
  // Otherwise they are in the order of their names, and 10 comes before 2.
  append_event(out, {Phase::metadata, lane, {}, "thread_sort_index", {}, {}, 0, {}});
  out.back() = ',';
  out += R"("args":{"sort_index":)";
  append_number(out, static_cast<std::uint32_t>(lane));
  out += "}}";
}

void append_counter(std::string& out, std::string_view name, Duration at, std::span<const CounterValue> values) {
  append_event(out, {Phase::counter, kMasterLane, {}, name, at, {}, 0, {}});
  out.back() = ',';
  out += R"("args":)";
  char before = '{';
  for (const CounterValue& one : values) {
    out += std::exchange(before, ',');
    append_json_string(out, one.name);
    out += ':';
    append_thousandths(out, one.thousandths);
  }
  out += "}}";
}

}  // namespace runner::report
