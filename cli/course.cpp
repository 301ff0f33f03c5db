#include "cli/course.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <span>
#include <utility>

#include "config/read_batch.hpp"
#include "report/printable.hpp"

namespace runner::cli {

namespace {

using report::Comparison;
using report::Curve;
using report::Model;
using std::chrono::microseconds;
using std::chrono::milliseconds;

// Half decades: METG lies between two of them.
constexpr Duration kLengths[] = {std::chrono::nanoseconds(300),
                                 microseconds(1),
                                 microseconds(3),
                                 microseconds(10),
                                 microseconds(30),
                                 microseconds(100),
                                 microseconds(300),
                                 milliseconds(1),
                                 milliseconds(3)};
constexpr std::uint32_t kSweepRuns = 3;             // of each point
constexpr Duration kTrial = milliseconds(15);       // that a trial takes beside its jobs
constexpr Duration kLeast = milliseconds(10);       // of work in a trial of the sweep; with less nothing is seen
constexpr Duration kMostOfACall = microseconds(2);  // about what a job costs the master

void say(const std::string& text) {
  const std::string line = text + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

Course::Course(const CompareOptions& options, Batch& batch, Registry& registry, ResultHashes hashes, std::uint32_t cpus)
    : options_(options), batch_(batch), registry_(registry), hashes_(std::move(hashes)) {
  comparison_.batch = batch.name;
  comparison_.cpus = cpus;
  std::vector<std::uint32_t> procs = options.procs;
  if (procs.empty()) procs.push_back(cpus);
  for (const CompareOptions::Model& model : options.models) {
    for (const std::uint32_t& some : procs) {
      if (model.mode == Mode::serial && &some != &procs.front()) break;  // there is one
      comparison_.models.push_back(
          {.mode = model.name, .procs = model.mode == Mode::serial ? 1 : some, .samples = {}, .left_out = {}});
      how_.push_back(model);
    }
  }
}

Result<bool> Course::run() {
  say(fmt::format("comparing {} models of `{}`, {} run{} of each after a first one, in turn", comparison_.models.size(),
                  report::printable(comparison_.batch), options_.repeat, options_.repeat == 1 ? "" : "s"));
  // Isolated processes first, on most processors: whatever the jobs do, that one ends, and tells how long the others will take.
  std::vector<std::size_t> order(how_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return eagerness(a) > eagerness(b); });
  for (const std::size_t i : order) {
    const Result<bool> going = warm_up(i);
    if (!going || !*going) return going;
  }
  for (std::uint32_t round = 0; round < options_.repeat; ++round) {
    // Each begins once in a while: what one leaves behind is not always the same one's to find.
    for (std::size_t i = 0; i < how_.size(); ++i) {
      const std::size_t at = (i + round) % how_.size();
      if (!comparison_.models[at].left_out.empty()) continue;
      const Result<bool> going = measure(at);
      if (!going || !*going) return going;
    }
    say(round_line(round));
  }
  compared_ = true;
  Result<bool> swept = sweep();
  if (swept && *swept) return true;
  // What was compared before is worth as much without it.
  comparison_.sweep.clear();
  comparison_.notes.push_back(swept ? "the sweep was interrupted" : "there is no sweep: " + swept.error().text);
  return swept.has_value() ? swept : true;
}

bool Course::any() const {
  return std::any_of(comparison_.models.begin(), comparison_.models.end(),
                     [](const Model& one) { return !one.samples.empty(); });
}

std::uint64_t Course::eagerness(std::size_t at) const {
  return (how_[at].mode == Mode::processes ? std::uint64_t{1} << 32 : 0) + comparison_.models[at].procs;
}

Result<Tried> Course::try_model(std::size_t at) {
  RunOptions options;
  options.mode = how_[at].mode;
  options.transport = how_[at].transport;
  return try_out(options, comparison_.models[at].procs, batch_, registry_, hashes_, interruption_);
}

// The first run of a model does not count, but tells whether it can run the batch, and whether its results are those of the others.
Result<bool> Course::warm_up(std::size_t at) {
  Model& model = comparison_.models[at];
  Result<Tried> tried = try_model(at);
  if (!tried) return tl::unexpected(tried.error());
  if (tried->interrupted) return false;
  if (!tried->why_not.empty()) {
    model.left_out = tried->why_not;
    say(fmt::format("left out: {}: {}", model.name(), report::printable(model.left_out)));
    return true;
  }
  compare_results(model);
  if (!told_) {
    if (const Result<void> well = tell(tried->sample); !well) return tl::unexpected(well.error());
  }
  return true;
}

// What can be said once the batch has run.
Result<void> Course::tell(const report::Sample& first) {
  told_ = true;
  payload_ = first.jobs == 0 ? 0 : first.bytes_sent / first.jobs;
  answer_ = first.jobs == 0 ? 0 : first.bytes_received / first.jobs;
  say(fmt::format("expected to take about {}", format_duration(expected(first))));
  const ResultHashes::Shared& shared = hashes_.shared();
  if (shared.left_out != 0 && first.jobs == 0) {
    return fail(ErrorCode::usage, "there is nothing to compare: no job of this batch is repeatable");
  }
  if (shared.not_ok != 0) {
    comparison_.notes.push_back(fmt::format("not ok: {} of {} jobs, the first is `{}`; its time is compared all the same",
                                            shared.not_ok, first.jobs, shared.not_ok_job));
  }
  if (shared.left_out != 0) {
    comparison_.notes.push_back(
        fmt::format("left out of all models, because they are not repeatable: {} job{}, the first is `{}`", shared.left_out,
                    shared.left_out == 1 ? "" : "s", shared.left_out_job));
  }
  return {};
}

Result<bool> Course::measure(std::size_t at) {
  Model& model = comparison_.models[at];
  Result<Tried> tried = try_model(at);
  if (!tried) return tl::unexpected(tried.error());
  if (tried->interrupted) return false;
  if (!tried->why_not.empty()) {
    model.samples.clear();
    model.left_out = tried->why_not;
    return true;
  }
  compare_results(model);
  model.samples.push_back(std::move(tried->sample));
  return true;
}

// With those of the model that was run first.
void Course::compare_results(const Model& model) {
  const std::span<const std::uint64_t> now = hashes_.jobs();
  const std::uint64_t sum = hashes_.shared().sum;
  if (!reference_) {
    reference_ = sum;
    results_.assign(now.begin(), now.end());
    first_ = model.name();
    return;
  }
  if (sum == *reference_ || !equal_) return;
  equal_ = false;
  const auto [theirs, ours] = std::mismatch(results_.begin(), results_.end(), now.begin());
  std::string job;
  JobSpec spec;
  if (ours != now.end() && batch_.jobs->at(JobId{static_cast<std::uint64_t>(ours - now.begin())}, spec)) job = spec.name;
  comparison_.notes.push_back(
      fmt::format("RESULTS DIFFER: {} and {} do not have the same{}; a job must give the same result whoever runs it, or its "
                  "figures compare nothing",
                  first_, model.name(), job.empty() ? "" : fmt::format(" for `{}`", job)));
}

Duration Course::expected(const report::Sample& sample) const {
  Duration all{};
  for (std::size_t i = 0; i < how_.size(); ++i) {
    const bool alone = how_[i].mode == Mode::serial || how_[i].mode == Mode::async;
    const std::uint32_t at_a_time = alone ? 1 : std::min(comparison_.models[i].procs, comparison_.cpus);
    all += (1 + options_.repeat) * (sample.execute / at_a_time + kTrial);
  }
  return all + options_.sweep;
}

std::string Course::round_line(std::uint32_t round) const {
  std::string line = fmt::format("run {} of {}:", round + 1, options_.repeat);
  const char* before = " ";
  for (const Model& model : comparison_.models) {
    if (model.samples.empty()) continue;
    line += fmt::format("{}{} {}", before, model.name(), format_duration(model.samples.back().wall));
    before = " · ";
  }
  return line;
}

// Jobs of known length with payloads like those of the batch, on the most processors that were asked for.
Result<bool> Course::sweep() {
  if (options_.sweep == Duration::zero()) return true;
  std::vector<std::size_t> which;
  for (const CompareOptions::Model& model : options_.models) {
    if (model.mode != Mode::threads && model.mode != Mode::processes) continue;
    std::size_t best = how_.size();
    for (std::size_t i = 0; i < how_.size(); ++i) {
      if (how_[i].name == model.name && (best == how_.size() || comparison_.models[i].procs > comparison_.models[best].procs))
        best = i;
    }
    which.push_back(best);
    comparison_.sweep.push_back({.mode = model.name, .procs = comparison_.models[best].procs, .points = {}});
  }
  if (which.empty()) return true;
  const auto trials = static_cast<std::int64_t>(which.size() * std::size(kLengths) * kSweepRuns);
  const Duration work = std::max(kLeast, options_.sweep / trials - kTrial);
  say(fmt::format("sweep: jobs of {} to {}, payloads of {} and {} back, about {}", format_duration(std::begin(kLengths)[0]),
                  format_duration(*std::prev(std::end(kLengths))), format_size(Bytes{payload_}), format_size(Bytes{answer_}),
                  format_duration((work + kTrial) * trials)));
  for (Curve& curve : comparison_.sweep) {
    for (const Duration length : kLengths) curve.points.push_back({.job = length, .efficiencies = {}});
  }
  for (std::uint32_t run = 0; run < kSweepRuns; ++run) {
    for (std::size_t point = 0; point < std::size(kLengths); ++point) {
      for (std::size_t i = 0; i < which.size(); ++i) {
        const Result<bool> going = sweep_one(comparison_.sweep[i], point, how_[which[i]], work);
        if (!going || !*going) return going;
      }
    }
  }
  return true;
}

Result<bool> Course::sweep_one(Curve& curve, std::size_t point, const CompareOptions::Model& how, Duration work) {
  const Duration length = curve.points[point].job;
  const std::uint32_t at_a_time = std::min(curve.procs, comparison_.cpus);
  // Short ones are as many as the master can hand out in that time.
  const auto count =
      std::max<std::int64_t>(16 * std::int64_t{curve.procs}, work / std::max<Duration>(length / at_a_time, kMostOfACall));
  const std::string text = fmt::format(
      "version: 1\njobs: [{{kind: spin, args: {{duration: {}ns, payload: \"{}\", answer: {}B}}, matrix: {{i: 1..{}}}}}]\n",
      length.count(), std::string(std::min<std::uint64_t>(payload_, std::uint64_t{1} << 20), 'x'), answer_, count);
  Result<config::CheckedBatch> spins = config::read_batch_text(text, "the sweep", "sweep", registry_);
  if (!spins) return tl::unexpected(spins.error());
  const Result<ResultHashes> nothing = ResultHashes::make(0);
  if (!nothing) return tl::unexpected(nothing.error());
  RunOptions options;
  options.mode = how.mode;
  options.transport = how.transport;
  const Result<Tried> tried = try_out(options, curve.procs, spins->batch, registry_, *nothing, interruption_);
  if (!tried) return tl::unexpected(tried.error());
  if (tried->interrupted) return false;
  if (!tried->why_not.empty()) return fail(ErrorCode::system, tried->why_not);
  const report::Sample& sample = tried->sample;
  const Duration busy = sample.wall - sample.start - sample.stop;
  curve.points[point].efficiencies.push_back(static_cast<double>(count) * static_cast<double>(length.count()) /
                                             (static_cast<double>(busy.count()) * at_a_time));
  return true;
}

}  // namespace runner::cli
