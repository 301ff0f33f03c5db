// bench_ipc: what the ways for processes to talk cost, side by side in one run.
//
//   bench_ipc                          8 B to 64 MiB, 1 to 64 workers: about a minute
//   bench_ipc --quick                  less of it, in some seconds
//   bench_ipc --sizes 8,64KiB          payloads of these sizes
//   bench_ipc --json figures.json      the same figures, and every sample, for programs
//
// Fails with   exit status 1: the arguments cannot be used, or the file cannot be written. 2: a wrong answer, a process that died
//              or hung. 128 + n: stopped by signal n.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <runner/units.hpp>

#include "bench/ipc/guard.hpp"
#include "bench/ipc/machine.hpp"
#include "bench/ipc/mechanisms.hpp"
#include "bench/ipc/report.hpp"
#include "bench/ipc/survey.hpp"

namespace runner::bench {
namespace {

constexpr std::size_t kKiB = 1024, kMiB = kKiB * kKiB;

Plan full_plan() {
  return {.sizes = {8, 64, kKiB, 16 * kKiB, 256 * kKiB, 4 * kMiB, 64 * kMiB},
          .crews = {1, 2, 8, 64},
          .crew_sizes = {8, kKiB},
          .repetitions = 5,
          .least = std::chrono::milliseconds(10)};
}

Plan quick_plan() {
  Plan plan = full_plan();
  plan.sizes = {8, kKiB, 256 * kKiB, 4 * kMiB};
  plan.least = std::chrono::milliseconds(4);
  return plan;
}

// "8" is bytes, as the name of the option says; "64KiB" is a size as everywhere else.
std::string read_size(const std::string& text, std::vector<std::size_t>& sizes) {
  const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
  const Result<Bytes> size = parse_size(digits ? text + "B" : text);
  if (!size) return size.error().text;
  if (size->count < 8 || size->count % 8 != 0 || size->count > kKiB * kMiB) {
    return fmt::format("`{}` cannot be measured: a size is a multiple of 8 from 8 to 1GiB", text);
  }
  sizes.push_back(size->count);
  return {};
}

void show_progress(double part) {
  if (::isatty(STDERR_FILENO) == 0) return;
  std::fputs(part < 1 ? fmt::format("\rmeasuring: {:3.0f} %", 100 * part).c_str() : "\r\x1b[K", stderr);
}

int cannot_write(const std::string& file) {
  fmt::print(stderr, "bench_ipc: cannot write {}: {}\n", file, std::strerror(errno));
  return 1;
}

int measure(const Plan& plan, const std::string& json_file) try {
  std::ofstream file;
  if (!json_file.empty()) file.open(json_file);  // before a minute is spent on what cannot be kept
  if (!file) return cannot_write(json_file);

  const Processors processors = Processors::discover();
  Facts facts = machine(processors);
  for (const auto& [name, value] : facts) fmt::print("{:<12} {}\n", name, value);
  fmt::print("\n");
  std::fflush(stdout);

  const std::vector<std::unique_ptr<Mechanism>> mechanisms = all_mechanisms();
  const Results results = survey(mechanisms, plan, processors, show_progress);
  std::vector<std::string> rows;
  for (const std::unique_ptr<Mechanism>& mechanism : mechanisms) rows.push_back(mechanism->name());
  facts.emplace_back("load after", load());
  fmt::print("{}{:<12} {}\n", tables(results, rows, plan, processors), facts.back().first, facts.back().second);

  if (json_file.empty()) return 0;
  file << json(results, facts) << std::flush;
  return file ? 0 : cannot_write(json_file);
} catch (const std::exception& failed) {
  fmt::print(stderr, "bench_ipc: {}\n", failed.what());
  return 2;
}

}  // namespace
}  // namespace runner::bench

int main(int argc, char** argv) {
  using namespace runner::bench;
  CLI::App app("What the ways for processes to talk cost, side by side in one run.", "bench_ipc");
  bool quick = false;
  std::string json_file;
  std::vector<std::string> sizes;
  app.add_flag("--quick", quick, "fewer sizes, shorter batches");
  app.add_option("--json", json_file, "also write the figures to this file")->type_name("FILE");
  app.add_option("--sizes", sizes, "payloads to measure, e.g. 8,1KiB,4MiB")->delimiter(',')->type_name("A,B,C");
  CLI11_PARSE(app, argc, argv);

  Plan plan = quick ? quick_plan() : full_plan();
  if (!sizes.empty()) plan.sizes.clear();
  for (const std::string& size : sizes) {
    if (const std::string wrong = read_size(size, plan.sizes); !wrong.empty()) {
      fmt::print(stderr, "bench_ipc: --sizes: {}\n", wrong);
      return 1;
    }
  }
  return guarded("bench_ipc", [&] { return measure(plan, json_file); }, std::chrono::minutes(5));
}
