// comparison.hpp - what runs of one batch under several models say about each other: medians, break-even, METG, a verdict.
//
// Called from  `runner compare`, once all runs are over. Pure: it measures nothing.
// Owns         nothing.
// Fails with   nothing: what cannot be told is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <runner/units.hpp>
#include "master/costs.hpp"

namespace runner::report {

// One run of the whole batch.
struct Sample {
  Duration wall{};   // begin of the start -> end of the stop
  Duration start{};  // all workers were ready
  Duration stop{};
  Duration cpu{};       // of everything: master, workers, commands
  Bytes peak_memory{};  // resident: of the master, and the most of each worker and of one command of each, summed
  master::Account workers;
  Duration worker_seconds{};
  Duration execute{};  // in the jobs' own code, all attempts
  std::uint64_t jobs = 0;
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  std::string costs;  // JSON (costs_json.hpp)
};

struct Model {
  std::string mode;  // as written in --modes: "processes/shm"
  std::uint32_t procs = 1;
  std::vector<Sample> samples;
  std::string left_out;  // why it has none

  [[nodiscard]] std::string name() const;  // "processes/shm × 2"
  // The run in the middle, by wall time; only of a model that has samples.
  [[nodiscard]] const Sample& median() const;
  [[nodiscard]] Duration least() const;
  [[nodiscard]] Duration most() const;
};

// How well a model does on jobs of one length: efficiencies of several runs.
struct SweepPoint {
  Duration job{};
  std::vector<double> efficiencies;
  [[nodiscard]] double median() const;
};
struct Curve {
  std::string mode;
  std::uint32_t procs = 1;
  std::vector<SweepPoint> points;  // shortest jobs first
};

struct Comparison {
  std::string batch;
  std::uint32_t cpus = 1;
  std::vector<Model> models;
  std::vector<Curve> sweep;
  std::vector<std::string> notes;  // jobs that were left out, results that differ

  // Of the models that were run; times the serial one needs, or else the sum of the jobs' own time. 0: not to be told.
  [[nodiscard]] double speed_up(const Model& model) const;
  [[nodiscard]] double efficiency(const Model& model) const { return speed_up(model) / model.procs; }
  // The job length from which processes reach 95 % of what threads do, by the sweep.
  [[nodiscard]] std::optional<Duration> break_even() const;
  // METG(50 %) (Slaughter et al., Task Bench, SC20): the shortest job at which half of the ideal throughput is kept.
  [[nodiscard]] std::optional<Duration> metg(const Curve& curve) const;
  [[nodiscard]] const Curve* curve_of(std::string_view mode) const;
  // The model of processes, and that of threads, that are compared in words; null: not both were run.
  [[nodiscard]] const Model* processes() const;
  [[nodiscard]] const Model* threads() const;
  // One or two sentences, with reasons.
  [[nodiscard]] std::string verdict() const;
};

// The values that rise, or stay, with their index and are closest to these in the least squares: isotonic regression by pooling
// adjacent violators (Ayer, Brunk, Ewing, Reid, Silverman, 1955). Efficiency rises with the length of jobs; what falls is noise.
[[nodiscard]] std::vector<double> rising(const std::vector<double>& values);

// The job length from which on `values`, made rising, are at or above `level`, between points by the logarithm of the length.
// None: they are not at the last one. The first point's length when all are.
[[nodiscard]] std::optional<Duration> crossing(const std::vector<Duration>& lengths, const std::vector<double>& values,
                                               double level);

// The page on a terminal, and the document of --json.
[[nodiscard]] std::string text_of(const Comparison& comparison);
[[nodiscard]] std::string json_of(const Comparison& comparison);

}  // namespace runner::report
