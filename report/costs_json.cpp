#include "report/costs_json.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include <runner/version.hpp>
#include "report/json_text.hpp"

namespace runner::report {

namespace {

using master::Span;
using master::Use;
using Json = nlohmann::ordered_json;

constexpr std::array kSpans{Span::queue_wait,  Span::serialize, Span::transport, Span::wake_up,
                            Span::deserialize, Span::execute,   Span::answer,    Span::collect};
constexpr std::array kUses{Use::start,   Use::waiting, Use::wake_up, Use::deserialize,
                           Use::execute, Use::answer,  Use::idle,    Use::stop};
static_assert(kSpans.size() == master::kSpans && kUses.size() == master::kUses);

class Object {
 public:
  explicit Object(std::string& out) : out_(out) {}
  ~Object() { out_ += '}'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  void seconds(std::string_view key, Duration duration) {
    begin(key);
    if (duration < Duration::zero()) out_ += '-';
    append_seconds(out_, std::chrono::abs(duration));
  }
  void number(std::string_view key, std::uint64_t value) {
    begin(key);
    append_number(out_, value);
  }

 private:
  void begin(std::string_view key) {
    out_ += std::exchange(before_, ',');
    out_.append("\"").append(key).append("\":");
  }
  std::string& out_;
  char before_ = '{';
};

// Divided, not multiplied by 1e-9: 90 ns is 9e-08 then.
}  // namespace

void append_costs(std::string& out, const master::AttemptCosts& costs) {
  Object object(out);
  for (const Span span : kSpans) object.seconds(name_of(span), costs.spans[span]);
  object.number("sampled", costs.sampled);
}

void append_costs(std::string& out, const master::Costs& costs) {
  const master::Account all = costs.all_workers();
  Object object(out);
  object.seconds("worker_seconds", costs.worker_seconds());
  for (const Span span : kSpans) object.seconds(name_of(span), costs.attempts[span]);
  for (const Use use : {Use::waiting, Use::start, Use::stop, Use::idle}) object.seconds(name_of(use), all[use]);
  object.seconds("unaccounted", costs.unaccounted());
  object.number("sampled", costs.sampled);
}

std::string costs_document(const std::string& batch, const master::RunTotals& totals) {
  const master::Costs& costs = totals.costs;
  std::string object;
  append_costs(object, costs);
  Json document{{"version", 1},
                {"runner", RUNNER_VERSION_STRING},
                {"batch", batch},
                {"mode", totals.mode},
                {"engine", totals.engine},
                {"procs", totals.procs},
                {"jobs", totals.counts.done()},
                {"attempts", costs.measured},
                {"wall_seconds", seconds(costs.wall)},
                {"costs", Json::parse(object)}};
  Json& spans = document["spans"] = Json::object();
  for (const Span span : kSpans) {
    const master::Histogram& all = costs.distribution[static_cast<std::size_t>(span)];
    spans[std::string(name_of(span))] = {
        {"count", all.count()},
        {"min", seconds(all.least())},
        {"p50", seconds(all.percentile(50))},
        {"p90", seconds(all.percentile(90))},
        {"p99", seconds(all.percentile(99))},
        {"p99.9", seconds(all.percentile(99.9))},
        {"max", seconds(all.most())},
    };
  }
  Json& workers = document["workers"] = Json::array();
  for (const master::Account& account : costs.workers) {
    Json& worker = workers.emplace_back(Json::object());
    for (const Use use : kUses) worker[std::string(name_of(use))] = seconds(account[use]);
    worker["unaccounted"] = seconds(costs.wall - account.absent - account.total());
    worker["absent"] = seconds(account.absent);
  }
  document["start_seconds"] = seconds(costs.start);
  document["idle_at_the_end_seconds"] = seconds(costs.tail);
  document["cpu_seconds"] = {{"jobs", seconds(totals.compute_cpu)}, {"master", seconds(costs.master_cpu)}};
  document["bytes"] = {{"sent", costs.bytes_sent}, {"received", costs.bytes_received}};
  document["wake_ups"] = costs.wake_ups;
  document["workers_lost"] = costs.workers_lost;
  document["switches"] = {{"voluntary", costs.usage.voluntary_switches}, {"involuntary", costs.usage.involuntary_switches}};
  document["page_faults"] = {{"minor", costs.usage.minor_faults}, {"major", costs.usage.major_faults}};
  return document.dump(2) + "\n";
}

}  // namespace runner::report
