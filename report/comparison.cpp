#include "report/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include <runner/version.hpp>
#include "report/machine.hpp"
#include "report/printable.hpp"

namespace runner::report {

namespace {

using master::Use;
using Json = nlohmann::ordered_json;

constexpr double kBreakEven = 0.95, kHalf = 0.5;

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// What beside the jobs' own work costs a worker of `model`, on the average.
Duration per_worker(const Model& model, Use use) { return model.median().workers[use] / model.procs; }

std::string_view words_of(Use use) {
  switch (use) {
    case Use::start: return "to start";
    case Use::waiting: return "of waiting for jobs on their way";
    case Use::wake_up: return "of wake-ups";
    case Use::deserialize: return "to read arguments";
    case Use::answer: return "to answer";
    case Use::idle: return "without a job";
    case Use::stop: return "to stop";
    case Use::execute: break;
  }
  return "more in the jobs' own code";
}

// Why one model takes longer than the other: what each of its workers spends more, largest first.
std::string reasons(const Model& slower, const Model& faster) {
  std::vector<std::pair<Duration, Use>> more;
  Duration all{};
  for (std::size_t i = 0; i < master::kUses; ++i) {
    const auto use = static_cast<Use>(i);
    const Duration spent = per_worker(slower, use) - per_worker(faster, use);
    if (spent <= Duration::zero()) continue;
    more.emplace_back(spent, use);
    all += spent;
  }
  std::sort(more.begin(), more.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(more.size(), 3); ++i) {
    if (more[i].first * 20 < all) break;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", format_duration(more[i].first), words_of(more[i].second));
  }
  return text;
}

std::string name_of_curve(const Curve& curve) { return fmt::format("{} × {}", curve.mode, curve.procs); }

std::string percent(double share) { return fmt::format("{:.{}f} %", share * 100, share < 0.095 ? 1 : 0); }

std::string padded(std::string text, std::size_t columns, bool right = true) {
  const std::size_t has = columns_of(text);
  if (has >= columns) return text;
  return right ? std::string(columns - has, ' ') + text : text + std::string(columns - has, ' ');
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += (i == 0 ? "" : "  ") + padded(row[i], widths[i], i != 0);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

Duration cost_per_job(const Sample& sample) {
  return sample.jobs == 0 ? Duration{} : (sample.worker_seconds - sample.execute) / static_cast<std::int64_t>(sample.jobs);
}

}  // namespace

std::string Model::name() const { return fmt::format("{} × {}", mode, procs); }

const Sample& Model::median() const {
  std::vector<std::size_t> order(samples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return samples[a].wall < samples[b].wall; });
  return samples[order[(order.size() - 1) / 2]];
}

Duration Model::least() const {
  return std::min_element(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.wall < b.wall; })
      ->wall;
}

Duration Model::most() const {
  return std::max_element(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.wall < b.wall; })
      ->wall;
}

double SweepPoint::median() const { return median_of(efficiencies); }

double Comparison::speed_up(const Model& model) const {
  if (model.samples.empty()) return 0;
  const auto serial =
      std::find_if(models.begin(), models.end(), [](const Model& one) { return one.mode == "serial" && !one.samples.empty(); });
  const Duration alone = serial != models.end() ? serial->median().wall : model.median().execute;
  return seconds(alone) / seconds(model.median().wall);
}

std::vector<double> rising(const std::vector<double>& values) {
  struct Pool {
    double mean;
    std::size_t count;
  };
  std::vector<Pool> pools;
  for (const double value : values) {
    pools.push_back({value, 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean > pools.back().mean) {
      const Pool last = pools.back();
      pools.pop_back();
      Pool& into = pools.back();
      const auto a = static_cast<double>(into.count), b = static_cast<double>(last.count);
      into = {(into.mean * a + last.mean * b) / (a + b), into.count + last.count};
    }
  }
  std::vector<double> risen;
  for (const Pool& pool : pools) risen.insert(risen.end(), pool.count, pool.mean);
  return risen;
}

std::optional<Duration> crossing(const std::vector<Duration>& lengths, const std::vector<double>& measured, double level) {
  const std::vector<double> values = rising(measured);
  if (values.empty() || values.back() < level) return std::nullopt;
  std::size_t first = values.size() - 1;
  while (first > 0 && values[first - 1] >= level) --first;
  if (first == 0) return lengths.front();
  const double below = values[first - 1], above = values[first];
  const double part = (level - below) / (above - below);
  const double low = std::log(seconds(lengths[first - 1])), high = std::log(seconds(lengths[first]));
  return Duration(static_cast<std::int64_t>(std::exp(low + part * (high - low)) * 1e9));
}

const Curve* Comparison::curve_of(std::string_view mode) const {
  const auto found = std::find_if(sweep.begin(), sweep.end(), [&](const Curve& curve) { return curve.mode == mode; });
  return found == sweep.end() ? nullptr : &*found;
}

std::optional<Duration> Comparison::metg(const Curve& curve) const {
  std::vector<Duration> lengths;
  std::vector<double> values;
  for (const SweepPoint& point : curve.points) {
    lengths.push_back(point.job);
    values.push_back(point.median());
  }
  return crossing(lengths, values, kHalf);
}

std::optional<Duration> Comparison::break_even() const {
  const Curve* shared = curve_of("processes/shm");
  const Curve* ours = shared != nullptr ? shared : curve_of("processes/pipe");
  const Curve* theirs = curve_of("threads");
  if (ours == nullptr || theirs == nullptr) return std::nullopt;
  std::vector<Duration> lengths;
  std::vector<double> values;
  for (std::size_t i = 0; i < std::min(ours->points.size(), theirs->points.size()); ++i) {
    const double threads = theirs->points[i].median();
    lengths.push_back(ours->points[i].job);
    values.push_back(threads > 0 ? ours->points[i].median() / threads : 1);
  }
  return crossing(lengths, values, kBreakEven);
}

const Model* Comparison::processes() const {
  const Model* best = nullptr;
  for (const std::string_view mode : {"processes/shm", "processes/pipe"}) {
    for (const Model& model : models) {
      if (model.mode != mode || model.samples.empty()) continue;
      if (best == nullptr || model.procs > best->procs) best = &model;
    }
    if (best != nullptr) return best;
  }
  return best;
}

const Model* Comparison::threads() const {
  const Model* ours = processes();
  if (ours == nullptr) return nullptr;
  const auto found = std::find_if(models.begin(), models.end(), [&](const Model& model) {
    return model.mode == "threads" && model.procs == ours->procs && !model.samples.empty();
  });
  return found == models.end() ? nullptr : &*found;
}

std::string Comparison::verdict() const {
  const Model* ours = processes();
  const Model* theirs = threads();
  std::string text;
  if (ours == nullptr || theirs == nullptr) {
    const Model* fastest = nullptr;
    for (const Model& model : models) {
      if (!model.samples.empty() && (fastest == nullptr || model.median().wall < fastest->median().wall)) fastest = &model;
    }
    if (fastest == nullptr) return "No model could run this batch.";
    text = fmt::format("{} is the fastest of what was run ({}).", fastest->name(), format_duration(fastest->median().wall));
  } else {
    const double ratio = seconds(ours->median().wall) / seconds(theirs->median().wall);
    const bool overlap = ours->least() <= theirs->most() && theirs->least() <= ours->most();
    const std::string both =
        fmt::format("{} against {}", format_duration(ours->median().wall), format_duration(theirs->median().wall));
    if (ratio >= 1) {
      const std::string why = reasons(*ours, *theirs);
      text = fmt::format("{} is {} slower than threads ({}){}{}.", ours->mode, percent(ratio - 1), both,
                         overlap ? ", which is within the spread of the runs" : "", why.empty() ? "" : ": " + why);
    } else {
      const std::string why = reasons(*theirs, *ours);
      text =
          fmt::format("{} is {} faster than threads ({}){}{}.", ours->mode, percent(1 / ratio - 1), both,
                      overlap ? ", which is within the spread of the runs" : "", why.empty() ? "" : ": threads spend " + why);
    }
  }
  const Curve* threads_curve = curve_of("threads");
  if (const std::optional<Duration> even = break_even()) {
    const bool all = threads_curve != nullptr && !threads_curve->points.empty() && *even <= threads_curve->points.front().job;
    text += all ? fmt::format(" At every job length from {} processes reach 95 % of threads.", format_duration(*even))
                : fmt::format(" Below {} a job threads win; from there processes reach 95 % of them.", format_duration(*even));
  } else if (threads_curve != nullptr && !sweep.empty() && processes() != nullptr) {
    text += fmt::format(" Up to {} a job processes do not reach 95 % of threads.",
                        format_duration(threads_curve->points.empty() ? Duration{} : threads_curve->points.back().job));
  }
  return text;
}

std::string text_of(const Comparison& comparison) {
  std::vector<std::vector<std::string>> rows{
      {"model", "procs", "wall", "(min .. max)", "speed-up", "efficiency", "CPU", "memory", "start", "cost of a job"}};
  for (const Model& model : comparison.models) {
    if (model.samples.empty()) continue;
    const Sample& middle = model.median();
    rows.push_back({model.mode, std::to_string(model.procs), format_duration(middle.wall),
                    fmt::format("({} .. {})", format_duration(model.least()), format_duration(model.most())),
                    fmt::format("{:.2f}x", comparison.speed_up(model)),
                    fmt::format("{:.0f} %", comparison.efficiency(model) * 100), format_duration(middle.cpu),
                    format_size(middle.peak_memory), format_duration(middle.start), format_duration(cost_per_job(middle))});
  }
  std::string text = rows.size() > 1 ? table(rows) : std::string();
  for (const Model& model : comparison.models) {
    if (model.samples.empty()) text += fmt::format("left out: {}: {}\n", model.name(), printable(model.left_out));
  }
  if (!comparison.sweep.empty()) {
    std::vector<std::vector<std::string>> sweep{{"efficiency"}};
    for (const Curve& curve : comparison.sweep) sweep.front().push_back(name_of_curve(curve));
    for (std::size_t i = 0; i < comparison.sweep.front().points.size(); ++i) {
      sweep.push_back({format_duration(comparison.sweep.front().points[i].job)});
      for (const Curve& curve : comparison.sweep) {
        sweep.back().push_back(i < curve.points.size() ? fmt::format("{:.1f} %", curve.points[i].median() * 100) : "");
      }
    }
    sweep.push_back({"METG(50 %)"});
    for (const Curve& curve : comparison.sweep) {
      const std::optional<Duration> metg = comparison.metg(curve);
      const bool all = metg && !curve.points.empty() && *metg <= curve.points.front().job;
      sweep.back().push_back(!metg ? "longer" : (all ? "at most " : "") + format_duration(*metg));
    }
    text += "\n" + table(sweep);
    if (const std::optional<Duration> even = comparison.break_even()) {
      text += fmt::format("break-even, 95 % of threads: {}\n", format_duration(*even));
    }
  }
  for (const std::string& note : comparison.notes) text += printable(note) + "\n";
  return text + "\n" + comparison.verdict() + "\n";
}

std::string json_of(const Comparison& comparison) {
  const auto or_null = [](const std::optional<Duration>& length) { return length ? Json(seconds(*length)) : Json(nullptr); };
  const Curve* shared = comparison.curve_of("processes/shm");
  const Curve* curve = shared != nullptr ? shared : comparison.curve_of("processes/pipe");
  Json document{{"version", 1},
                {"runner", RUNNER_VERSION_STRING},
                {"machine", machine()},
                {"batch", comparison.batch},
                {"break_even_seconds", or_null(comparison.break_even())},
                {"metg50_seconds", or_null(curve != nullptr ? comparison.metg(*curve) : std::nullopt)},
                {"verdict", comparison.verdict()}};
  Json& models = document["models"] = Json::array();
  Json left_out = Json::array();
  for (const Model& model : comparison.models) {
    if (model.samples.empty()) {
      left_out.push_back({{"mode", model.mode}, {"procs", model.procs}, {"why", model.left_out}});
      continue;
    }
    const Sample& middle = model.median();
    models.push_back(
        {{"mode", model.mode},
         {"procs", model.procs},
         {"wall_seconds", {{"median", seconds(middle.wall)}, {"min", seconds(model.least())}, {"max", seconds(model.most())}}},
         {"runs", model.samples.size()},
         {"speedup", comparison.speed_up(model)},
         {"efficiency", comparison.efficiency(model)},
         {"cpu_seconds", seconds(middle.cpu)},
         {"peak_rss_bytes", middle.peak_memory.count},
         {"start_seconds", seconds(middle.start)},
         {"cost_per_job_seconds", seconds(cost_per_job(middle))},
         {"costs", middle.costs.empty() ? Json(nullptr) : Json::parse(middle.costs)}});
  }
  document["left_out"] = std::move(left_out);
  Json& sweep = document["sweep"] = Json::array();
  for (const Curve& one : comparison.sweep) {
    for (const SweepPoint& point : one.points) {
      const auto [low, high] = std::minmax_element(point.efficiencies.begin(), point.efficiencies.end());
      sweep.push_back({{"mode", one.mode},
                       {"procs", one.procs},
                       {"job_seconds", seconds(point.job)},
                       {"efficiency", point.median()},
                       {"min", point.efficiencies.empty() ? 0 : *low},
                       {"max", point.efficiencies.empty() ? 0 : *high}});
    }
  }
  Json& metg = document["metg50"] = Json::array();
  for (const Curve& one : comparison.sweep) {
    metg.push_back({{"mode", one.mode}, {"procs", one.procs}, {"seconds", or_null(comparison.metg(one))}});
  }
  document["notes"] = comparison.notes;
  return document.dump(2) + "\n";
}

}  // namespace runner::report
