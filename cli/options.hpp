// options.hpp - argv -> what is to be done.
//
// Called from  main.
// Owns         nothing beyond the answer.
// Fails with   usage: one line that says which option, what was found, what was expected.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <runner/result.hpp>
#include <runner/units.hpp>
#include "config/exec_batch.hpp"
#include "master/engines/processes.hpp"
#include "master/halt_rule.hpp"
#include "report/progress.hpp"

namespace runner::cli {

enum class Mode : std::uint8_t { processes, threads, async, serial };

using master::kMostProcs;

struct RunOptions {
  std::string file;                    // "-": standard input
  std::optional<std::uint32_t> procs;  // none: the usable CPUs
  Mode mode = Mode::processes;
  master::Transport transport{};
  master::StartMethod start{};
  master::Bind bind{};
  master::Processors processors;  // Bind::list
  std::optional<int> nice;
  std::optional<Bytes> max_result;  // none: what the batch file says
  std::string results;              // empty: none
  std::string costs;                // the same
  std::string trace;                // the same
  std::string report;               // the same
  master::Measure measure{};
  std::string store;  // empty: the default of the batch
  bool no_store = false;
  bool resume = false;
  bool retry_failed = false;
  bool only_quarantined = false;
  [[nodiscard]] bool resumes() const { return resume || retry_failed || only_quarantined; }
  bool keep_order = false;
  std::optional<master::HaltRule> halt;
  std::optional<Bytes> memory_free;
  bool dry_run = false;
  report::ProgressStyle progress{};
  std::vector<std::string> plugins;
  std::optional<config::ExecSpec> exec;  // `runner exec`: in place of a file
  std::optional<std::uint32_t>
      threads;  // of a replay: that a job may start for each of its `cpus`; none: its share of the machine
};

struct CheckOptions {
  std::string file;
  std::vector<std::string> plugins;
};

struct ExplainOptions {
  std::string file, job;
  std::vector<std::string> plugins;
};

struct DoctorOptions {
  std::optional<std::uint32_t> procs;
  master::Bind bind{};
  master::Processors processors;
  bool json = false;
};

struct KindsOptions {
  std::string name;  // empty: all
  bool json = false;
  std::vector<std::string> plugins;
};

struct CompareOptions {
  std::string file;
  // As written in --modes, and what it stands for: "processes/shm".
  struct Model {
    std::string name;
    Mode mode{};
    master::Transport transport{};
  };
  std::vector<Model> models;
  std::vector<std::uint32_t> procs;  // empty: the usable CPUs
  std::uint32_t repeat = 5;
  Duration sweep = std::chrono::seconds(10);  // how long it may take; zero: none
  std::string json, report;                   // empty: none
  std::vector<std::string> plugins;
};

struct BenchIpcOptions {
  std::vector<std::size_t> sizes;  // bytes of a payload; empty: 8 B to 64 MiB
  bool quick = false;
  std::string json, report;  // empty: none
};

struct RunsOptions {
  std::string store;  // empty: the one in the working directory that was written last; so for all of these
};

struct ShowOptions {
  std::string store;
  std::vector<std::string> words;  // [RUN] [JOB]
};

enum class ExportFormat : std::uint8_t { jsonl, csv, joblog };

struct ExportOptions {
  std::string store;
  std::optional<std::int64_t> run;  // none: the newest
  ExportFormat format{};
};

struct ReplayOptions {
  std::string store, job;
  std::optional<std::int64_t> run;
  bool debug = false;
};

// Asked for, and answered by this text on standard output: --help, --version.
struct ShowText {
  std::string text;
};

using Command = std::variant<RunOptions, CheckOptions, ExplainOptions, DoctorOptions, KindsOptions, RunsOptions, ShowOptions,
                             ExportOptions, ReplayOptions, CompareOptions, BenchIpcOptions, ShowText>;

// `arguments` without the program's name.
[[nodiscard]] Result<Command> parse_arguments(const std::vector<std::string>& arguments);

}  // namespace runner::cli
