#include "report/trace.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

#include <runner/version.hpp>
#include "report/json_text.hpp"

namespace runner::report {

namespace {

// A dying program cannot ask for memory: it writes so much at a time, of a buffer that has twice the room.
constexpr std::size_t kSalvagedAtOnce = std::size_t{64} << 10;

}  // namespace

Result<std::unique_ptr<Trace>> Trace::open(const std::string& path, Notice notice, std::size_t most) {
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::unique_ptr<Trace>(new Trace(std::move(*file), path, std::move(notice), most));
}

Result<void> Trace::started(const master::RunInfo& info) {
  batch_ = info.batch.substr(0, kMostOfName);
  mode_ = info.mode;
  engine_ = info.engine.substr(0, kMostOfName);
  file_.buffer().reserve(2 * kSalvagedAtOnce);
  over_ = false;
  procs_ = info.procs;
  began_ = info.started;
  return file_.empty();
}

Duration Trace::since_begin() const { return std::chrono::steady_clock::now() - began_; }

void Trace::take(const JobSpec& job, const Outcome& outcome, Attempt attempt, std::optional<WorkerId> worker,
                 const master::AttemptCosts& costs, bool retried) {
  if (costs.measured) {
    const Placed placed = place(costs, began_);
    running_.add(placed.entered, placed.left);
    queued_.add(placed.serialized, placed.begin);
  }
  if (worker) procs_ = std::max(procs_, number(*worker) + 1);  // there may be more than at first
  Thinned<TracedAttempt>& kind = costs.sampled != 0 ? stamped_ : others_;
  if (!kind.next()) return;
  kind.keep({job.id, job.name.substr(0, kMostOfName), attempt, worker.value_or(WorkerId{}), status_word(outcome.ending), costs,
             costs.measured ? Duration{} : since_begin(), retried});
}

Result<void> Trace::ended(const master::JobRecord& record) {
  take(record.job, record.outcome, record.attempts, record.worker, record.costs, false);
  return {};
}

Result<void> Trace::retried(const master::RetryRecord& record) {
  take(record.job, record.outcome, record.attempt, record.worker, record.costs, true);
  return {};
}

Result<void> Trace::worker_lost(const master::WorkerLost& lost) {
  if (deaths_.next()) deaths_.keep({lost.worker, lost.how.substr(0, kMostOfName), since_begin()});
  return {};
}

Result<void> Trace::tick(const master::Snapshot& snapshot) {
  if (snapshot.costs != nullptr && traffic_.next()) {
    traffic_.keep({snapshot.now - began_, snapshot.costs->bytes_sent, snapshot.costs->bytes_received});
  }
  return {};
}

// Where the next event goes; end_event() must follow.
std::string& Trace::next() { return file_.buffer() += std::exchange(first_, false) ? "\n" : ",\n"; }
Result<void> Trace::end_event() {
  if (!salvaging_) return file_.end_record();
  if (file_.buffer().size() >= kSalvagedAtOnce) file_.salvage();
  return {};
}

Result<void> Trace::write(const TraceEvent& event) {
  append_event(next(), event);
  return end_event();
}

Result<void> Trace::write_all(const std::vector<TraceEvent>& events) {
  for (const TraceEvent& event : events) {
    if (Result<void> written = write(event); !written) return written;
  }
  return {};
}

// The head of the file. Allocates nothing: a dying program writes it too.
Result<void> Trace::begin() {
  file_.buffer() += R"({"displayTimeUnit":"ns","traceEvents":[)";
  append_event(next(), {Phase::metadata, kMasterLane, {}, "process_name", {}, {}, 0, {}});
  file_.buffer().back() = ',';
  file_.buffer() += R"("args":{"name":"runner"}})";
  Result<void> well = end_event();
  for (std::uint32_t lane = 0; well && lane <= procs_; ++lane) {
    append_lane(next(), Lane{lane});
    well = end_event();
  }
  return well;
}

Result<void> Trace::write_load(std::string_view name, const LoadProfile& load) {
  std::uint64_t before = UINT64_MAX;
  for (std::size_t part = 0; part <= load.parts(); ++part) {
    const auto mean = part < load.parts() ? static_cast<std::uint64_t>(std::llround(load.mean(part) * 1000)) : 0;
    if (mean == before) continue;
    before = mean;
    append_counter(next(), name, load.width() * static_cast<std::int64_t>(part), std::array{CounterValue{"jobs", mean}});
    if (const Result<void> written = end_event(); !written) return written;
  }
  return {};
}

Result<void> Trace::write_traffic(const Traffic& at_the_end) {
  Traffic before;
  const auto put = [&](const Traffic& one) {
    append_counter(next(), "bytes", one.at,
                   std::array{CounterValue{"sent", 1000 * one.sent}, CounterValue{"received", 1000 * one.received}});
    before = one;
    return end_event();
  };
  Result<void> well = put({});
  for (const Traffic& one : traffic_.kept()) {
    if (well && (one.sent != before.sent || one.received != before.received)) well = put(one);
  }
  return well ? put(at_the_end) : well;
}

// The end of the file.
void Trace::append_about(std::string_view incomplete) {
  std::string& out = file_.buffer();
  out += "\n],\"otherData\":{\"runner\":";
  append_json_string(out, RUNNER_VERSION_STRING);
  for (const auto& [name, text] :
       {std::pair<std::string_view, std::string_view>("batch", batch_), {"mode", mode_}, {"engine", engine_}}) {
    out.append(",\"").append(name).append("\":");
    append_json_string(out, text);
  }
  const auto kind = [&out](std::string_view name, const auto& all) {
    out.append(",\"").append(name).append(R"(":{"all":)");
    append_number(out, all.offered());
    out += R"(,"in_trace":)";
    append_number(out, all.kept().size());
    out += R"(,"one_in":)";
    append_number(out, all.stride());
    out += '}';
  };
  kind("attempts_with_all_stamps", stamped_);
  kind("other_attempts", others_);
  kind("workers_lost", deaths_);
  if (!incomplete.empty()) {
    out += R"(,"incomplete":)";
    append_json_string(out, incomplete);
  }
  out += "}}\n";
}

void Trace::salvage() noexcept {
  if (std::exchange(over_, true)) return;
  salvaging_ = true;
  static_cast<void>(begin());  // it cannot fail any more; what cannot be written is lost
  for (const Thinned<TracedAttempt>* kind : {&stamped_, &others_}) {
    for (const TracedAttempt& attempt : kind->kept()) {
      append_outline(next(), attempt, began_);
      static_cast<void>(end_event());
    }
  }
  append_about(
      "a job ended the program that it ran in, or did not return: what had not ended is missing, and what the master did");
  file_.salvage();
}

Result<void> Trace::finished(const master::RunTotals& totals) {
  over_ = true;
  mode_ = totals.mode;
  engine_ = totals.engine;
  Result<void> well = begin();
  std::vector<MasterSlice> slices;
  std::uint64_t id = 0;
  for (const TracedAttempt& attempt : stamped_.kept()) {
    if (!well) return well;
    well = write_all(events_of(attempt, id, began_));
    slices_of(attempt, id++, began_, slices);
  }
  for (const TracedAttempt& attempt : others_.kept()) {  // they have no slices and no arrows
    if (!well) return well;
    well = write_all(events_of(attempt, id, began_));
  }
  nest(slices);
  for (const MasterSlice& slice : slices) {
    if (!well) return well;
    well = write_all(events_of(slice, stamped_.kept()[slice.attempt]));
  }
  for (const Death& death : deaths_.kept()) {
    if (!well) return well;
    std::string args = R"({"how":)";
    append_json_string(args, death.how);
    args += '}';
    well = write({Phase::instant, lane_of(death.worker), "worker", "worker lost", death.at, {}, 0, std::move(args)});
  }
  if (well) well = write_load("running", running_);
  if (well) well = write_load("queued", queued_);
  if (well) well = write_traffic({since_begin(), totals.costs.bytes_sent, totals.costs.bytes_received});
  if (!well) return well;
  append_about({});
  well = file_.end_record();
  if (well) well = file_.flush();
  const std::uint64_t attempts = stamped_.offered() + others_.offered();
  if (well && attempts == 0) {
    notice_(fmt::format("`{}` has lanes but no job, because none was begun", path_));
  } else if (well && (stamped_.stride() != 1 || others_.stride() != 1)) {
    notice_(fmt::format("`{}` is thinned: it has 1 in {} of {} attempts with all their stamps and 1 in {} of {} others", path_,
                        stamped_.stride(), stamped_.offered(), others_.stride(), others_.offered()));
  }
  return well;
}

}  // namespace runner::report
