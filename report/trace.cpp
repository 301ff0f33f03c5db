#include "report/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <runner/version.hpp>
#include "report/json_text.hpp"

namespace runner::report {

namespace {

std::string name_args(std::string_view name) {
  std::string args = R"({"name":)";
  append_json_string(args, name);
  args += '}';
  return args;
}

}  // namespace

Result<std::unique_ptr<Trace>> Trace::open(const std::string& path, Notice notice, std::size_t most) {
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::unique_ptr<Trace>(new Trace(std::move(*file), path, std::move(notice), most));
}

Result<void> Trace::started(const master::RunInfo& info) {
  batch_ = info.batch;
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

Result<void> Trace::write(const TraceEvent& event) {
  file_.buffer() += std::exchange(first_, false) ? "\n" : ",\n";
  append_event(file_.buffer(), event);
  return file_.end_record();
}

Result<void> Trace::write_all(const std::vector<TraceEvent>& events) {
  for (const TraceEvent& event : events) {
    if (Result<void> written = write(event); !written) return written;
  }
  return {};
}

Result<void> Trace::write_lanes() {
  Result<void> well = write({Phase::metadata, kMasterLane, {}, "process_name", {}, {}, 0, name_args("runner")});
  for (std::uint32_t lane = 0; well && lane <= procs_; ++lane) {
    const std::string name = lane == 0 ? "master" : fmt::format("worker {}", lane - 1);
    well = write({Phase::metadata, Lane{lane}, {}, "thread_name", {}, {}, 0, name_args(name)});
    // Otherwise they are in the order of their names, and 10 comes before 2.
    if (well) {
      well =
          write({Phase::metadata, Lane{lane}, {}, "thread_sort_index", {}, {}, 0, fmt::format(R"({{"sort_index":{}}})", lane)});
    }
  }
  return well;
}

Result<void> Trace::write_load(std::string_view name, const LoadProfile& load) {
  double before = -1;
  for (std::size_t part = 0; part <= load.parts(); ++part) {
    const double mean = part < load.parts() ? std::round(load.mean(part) * 1000) / 1000 : 0;
    if (mean == before) continue;
    before = mean;
    const Result<void> written = write({Phase::counter,
                                        kMasterLane,
                                        {},
                                        name,
                                        load.width() * static_cast<std::int64_t>(part),
                                        {},
                                        0,
                                        fmt::format(R"({{"jobs":{}}})", mean)});
    if (!written) return written;
  }
  return {};
}

Result<void> Trace::finished(const master::RunTotals& totals) {
  file_.buffer() += R"({"displayTimeUnit":"ns","traceEvents":[)";
  Result<void> well = write_lanes();
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
  if (!well) return well;
  std::string& out = file_.buffer();
  out += "\n],\"otherData\":{\"runner\":";
  append_json_string(out, RUNNER_VERSION_STRING);
  out += R"(,"batch":)";
  append_json_string(out, batch_);
  out += R"(,"mode":)";
  append_json_string(out, totals.mode);
  out += R"(,"engine":)";
  append_json_string(out, totals.engine);
  const auto kind = [&out](std::string_view name, const auto& all) {
    out += fmt::format(R"(,"{}":{{"all":{},"in_trace":{},"one_in":{}}})", name, all.offered(), all.kept().size(), all.stride());
  };
  kind("attempts_with_all_stamps", stamped_);
  kind("other_attempts", others_);
  kind("workers_lost", deaths_);
  out += "}}\n";
  well = file_.end_record();
  if (well) well = file_.flush();
  if (well && (stamped_.stride() != 1 || others_.stride() != 1)) {
    notice_(fmt::format("`{}` is thinned: it has 1 in {} of {} attempts with all their stamps and 1 in {} of {} others", path_,
                        stamped_.stride(), stamped_.offered(), others_.stride(), others_.offered()));
  }
  return well;
}

}  // namespace runner::report
