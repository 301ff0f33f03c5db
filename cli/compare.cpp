#include "cli/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <runner/registry.hpp>
#include "cli/command_line.hpp"
#include "cli/complain.hpp"
#include "cli/print.hpp"
#include "cli/shares.hpp"
#include "cli/trial.hpp"
#include "config/read_batch.hpp"
#include "master/usable_cpus.hpp"
#include "report/comparison.hpp"
#include "report/output_file.hpp"
#include "report/page.hpp"
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

class Course {
 public:
  Course(const CompareOptions& options, Batch& batch, Registry& registry, ResultHashes hashes, std::uint32_t cpus)
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

  // Answers false when it was interrupted.
  [[nodiscard]] Result<bool> run() {
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
    return sweep();
  }

  [[nodiscard]] const Comparison& comparison() const { return comparison_; }
  [[nodiscard]] bool all_equal() const { return equal_; }
  [[nodiscard]] bool any() const {
    return std::any_of(comparison_.models.begin(), comparison_.models.end(),
                       [](const Model& one) { return !one.samples.empty(); });
  }

 private:
  [[nodiscard]] std::uint64_t eagerness(std::size_t at) const {
    return (how_[at].mode == Mode::processes ? std::uint64_t{1} << 32 : 0) + comparison_.models[at].procs;
  }

  [[nodiscard]] static RunOptions options_of(const CompareOptions::Model& model) {
    RunOptions options;
    options.mode = model.mode;
    options.transport = model.transport;
    return options;
  }

  // The first run of a model does not count, but tells whether it can run the batch, and whether its results are those of the others.
  [[nodiscard]] Result<bool> warm_up(std::size_t at) {
    Model& model = comparison_.models[at];
    Result<Tried> tried = try_out(options_of(how_[at]), model.procs, batch_, registry_, hashes_, interruption_);
    if (!tried) return tl::unexpected(tried.error());
    if (tried->interrupted) return false;
    if (!tried->why_not.empty()) {
      model.left_out = tried->why_not;
      say(fmt::format("left out: {}: {}", model.name(), report::printable(model.left_out)));
      return true;
    }
    compare_results(model);
    if (!told_) {
      told_ = true;
      payload_ = tried->sample.jobs == 0 ? 0 : tried->sample.bytes_sent / tried->sample.jobs;
      answer_ = tried->sample.jobs == 0 ? 0 : tried->sample.bytes_received / tried->sample.jobs;
      say(fmt::format("expected to take about {}", format_duration(expected(tried->sample))));
      const ResultHashes::Shared& shared = hashes_.shared();
      if (shared.left_out != 0 && tried->sample.jobs == 0) {
        return fail(ErrorCode::usage, "there is nothing to compare: no job of this batch is repeatable");
      }
      if (shared.not_ok != 0) {
        comparison_.notes.push_back(fmt::format("not ok: {} of {} jobs, the first is `{}`; its time is compared all the same",
                                                shared.not_ok, tried->sample.jobs, shared.not_ok_job));
      }
      if (shared.left_out != 0) {
        comparison_.notes.push_back(
            fmt::format("left out of all models, because they are not repeatable: {} job{}, the first is `{}`", shared.left_out,
                        shared.left_out == 1 ? "" : "s", shared.left_out_job));
      }
    }
    return true;
  }

  [[nodiscard]] Result<bool> measure(std::size_t at) {
    Model& model = comparison_.models[at];
    Result<Tried> tried = try_out(options_of(how_[at]), model.procs, batch_, registry_, hashes_, interruption_);
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
  void compare_results(const Model& model) {
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

  [[nodiscard]] Duration expected(const report::Sample& sample) const {
    Duration all{};
    for (std::size_t i = 0; i < how_.size(); ++i) {
      const bool alone = how_[i].mode == Mode::serial || how_[i].mode == Mode::async;
      const std::uint32_t at_a_time = alone ? 1 : std::min(comparison_.models[i].procs, comparison_.cpus);
      all += (1 + options_.repeat) * (sample.execute / at_a_time + kTrial);
    }
    return all + options_.sweep;
  }

  [[nodiscard]] std::string round_line(std::uint32_t round) const {
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
  [[nodiscard]] Result<bool> sweep() {
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

  [[nodiscard]] Result<bool> sweep_one(Curve& curve, std::size_t point, const CompareOptions::Model& how, Duration work) {
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
    const Result<Tried> tried = try_out(options_of(how), curve.procs, spins->batch, registry_, *nothing, interruption_);
    if (!tried) return tl::unexpected(tried.error());
    if (tried->interrupted) return false;
    if (!tried->why_not.empty()) return fail(ErrorCode::system, fmt::format("the sweep cannot go on: {}", tried->why_not));
    const report::Sample& sample = tried->sample;
    const Duration busy = sample.wall - sample.start - sample.stop;
    curve.points[point].efficiencies.push_back(static_cast<double>(count) * static_cast<double>(length.count()) /
                                               (static_cast<double>(busy.count()) * at_a_time));
    return true;
  }

  const CompareOptions& options_;
  Batch& batch_;
  Registry& registry_;
  ResultHashes hashes_;
  Interruption interruption_;
  Comparison comparison_;
  std::vector<CompareOptions::Model> how_;  // of each model
  std::optional<std::uint64_t> reference_;
  std::vector<std::uint64_t> results_;
  std::string first_;
  bool equal_ = true;
  bool told_ = false;
  std::uint64_t payload_ = 0, answer_ = 0;  // bytes of a job of the batch
};

// One that is not repeatable cannot be left out where others may need it.
Result<void> can_be_left_out(Batch& batch) {
  if (!batch.plan || !batch.size) return {};
  JobSpec job;
  for (std::uint64_t id = 0; id < *batch.size; ++id) {
    if (const Result<void> filled = batch.jobs->at(JobId{id}, job); !filled) return filled;
    if (!job.repeatable) {
      return fail(
          ErrorCode::usage,
          fmt::format("`{}` is not repeatable, and cannot be left out of a batch with `needs`; compare a batch without it",
                      job.name));
    }
  }
  return {};
}

nlohmann::ordered_json page_of(const Comparison& comparison) {
  nlohmann::ordered_json document{{"title", fmt::format("{}: models compared", comparison.batch)},
                                  {"verdict", comparison.verdict()},
                                  {"summary", report::text_of(comparison)},
                                  {"compare", nlohmann::ordered_json::parse(report::json_of(comparison))}};
  report::add_origin(document, command_line());
  return document;
}

int nothing_ran(const Error& error) {
  complain(error);
  return kNothingRan;
}

}  // namespace

int compare(const CompareOptions& options) {
  Registry registry;
  for (const std::string& plugin : options.plugins) {
    if (const Result<std::string> loaded = registry.load_plugin(plugin); !loaded) return nothing_ran(loaded.error());
  }
  Result<config::CheckedBatch> checked = config::read_batch(options.file, registry);
  if (!checked) return nothing_ran(checked.error());
  Batch& batch = checked->batch;
  if (!batch.jobs->rewind()) {
    return nothing_ran(
        {ErrorCode::usage, "compare runs a batch many times, and what this one reads can be read once; put it into a file"});
  }
  if (const Result<void> well = can_be_left_out(batch); !well) return nothing_ran(well.error());
  std::optional<report::OutputFile> json;
  if (!options.json.empty()) {
    Result<report::OutputFile> file = report::OutputFile::create(options.json);
    if (!file) return nothing_ran(file.error());
    json.emplace(std::move(*file));
  }
  std::optional<report::OutputFile> page;
  if (!options.report.empty()) {
    Result<report::OutputFile> file = report::OutputFile::create(options.report);
    if (!file) return nothing_ran(file.error());
    page.emplace(std::move(*file));
  }
  Result<ResultHashes> hashes = ResultHashes::make(batch.size.value_or(0));
  if (!hashes) return nothing_ran(hashes.error());
  Course course(options, batch, registry, std::move(*hashes), master::usable_cpus().count);
  const Result<bool> done = course.run();
  if (!done) {
    complain(done.error());
    return done.error().code == ErrorCode::usage ? kNothingRan : kNotAllWell;
  }
  if (!*done) {
    say("interrupted: nothing is compared");
    return kInterrupted;
  }
  int status = print(report::text_of(course.comparison()));
  const auto write = [&](std::optional<report::OutputFile>& file, const std::string& text) {
    if (!file) return;
    Result<void> written = file->empty();
    file->buffer() += text;
    if (written) written = file->end_record();
    if (written) written = file->flush();
    if (!written) {
      complain(written.error());
      status = kNotAllWell;
    }
  };
  write(json, report::json_of(course.comparison()));
  if (page) write(page, report::page(page_of(course.comparison())));
  return course.all_equal() && course.any() ? status : kNotAllWell;
}

}  // namespace runner::cli
