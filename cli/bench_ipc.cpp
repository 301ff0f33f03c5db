#include "cli/bench_ipc.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/ipc/guard.hpp"
#include "bench/ipc/machine.hpp"
#include "bench/ipc/mechanisms.hpp"
#include "bench/ipc/report.hpp"
#include "bench/ipc/survey.hpp"
#include "cli/command_line.hpp"
#include "cli/complain.hpp"
#include "report/output_file.hpp"
#include "report/page.hpp"

namespace runner::cli {

namespace {

constexpr std::size_t kKiB = 1024, kMiB = kKiB * kKiB;

bench::Plan full_plan() {
  return {.sizes = {8, 64, kKiB, 16 * kKiB, 256 * kKiB, 4 * kMiB, 64 * kMiB},
          .crews = {1, 2, 8, 64},
          .crew_sizes = {8, kKiB},
          .repetitions = 5,
          .least = std::chrono::milliseconds(10)};
}

bench::Plan quick_plan() {
  bench::Plan plan = full_plan();
  plan.sizes = {8, kKiB, 256 * kKiB, 4 * kMiB};
  plan.least = std::chrono::milliseconds(4);
  return plan;
}

void show_progress(double part) {
  if (::isatty(STDERR_FILENO) == 0) return;
  std::fputs(part < 1 ? fmt::format("\rmeasuring: {:3.0f} %", 100 * part).c_str() : "\r\x1b[K", stderr);
}

int cannot_write(const std::string& file) {
  fmt::print(stderr, "runner: bench ipc: cannot write {}: {}\n", file, std::strerror(errno));
  return 1;
}

int measure(const bench::Plan& plan, const std::string& json_file, const std::string& page_file) try {
  std::ofstream file;
  if (!json_file.empty()) file.open(json_file);  // before a minute is spent on what cannot be kept
  if (!file) return cannot_write(json_file);

  const bench::Processors processors = bench::Processors::discover();
  bench::Facts facts = bench::machine(processors);
  for (const auto& [name, value] : facts) fmt::print("{:<12} {}\n", name, value);
  fmt::print("\n");
  std::fflush(stdout);

  const std::vector<std::unique_ptr<bench::Mechanism>> mechanisms = bench::all_mechanisms();
  const bench::Results results = bench::survey(mechanisms, plan, processors, show_progress);
  std::vector<std::string> rows;
  for (const std::unique_ptr<bench::Mechanism>& mechanism : mechanisms) rows.push_back(mechanism->name());
  facts.emplace_back("load after", bench::load());
  fmt::print("{}{:<12} {}\n", bench::tables(results, rows, plan, processors), facts.back().first, facts.back().second);

  const std::string figures = bench::json(results, facts);
  if (!json_file.empty()) {
    file << figures << std::flush;
    if (!file) return cannot_write(json_file);
  }
  if (page_file.empty()) return 0;
  nlohmann::ordered_json document{{"title", "The ways for processes to talk"},
                                  {"bench", nlohmann::ordered_json::parse(figures)}};
  report::add_origin(document, command_line());
  std::ofstream page(page_file);
  page << report::page(document) << std::flush;
  return page ? 0 : cannot_write(page_file);
} catch (const std::exception& failed) {
  fmt::print(stderr, "runner: bench ipc: {}\n", failed.what());
  return 2;
}

}  // namespace

int bench_ipc(const BenchIpcOptions& options) {
  for (const std::string& path : {options.json, options.report}) {
    if (path.empty()) continue;
    if (const Result<report::OutputFile> file = report::OutputFile::create(path); !file) {
      complain(file.error());
      return kNothingRan;
    }
  }
  bench::Plan plan = options.quick ? quick_plan() : full_plan();
  if (!options.sizes.empty()) {
    plan.sizes = options.sizes;
    std::erase_if(plan.crew_sizes, [&](std::size_t one) {
      return std::find(options.sizes.begin(), options.sizes.end(), one) == options.sizes.end();
    });
  }
  return bench::guarded(
      "runner: bench ipc", [&] { return measure(plan, options.json, options.report); }, std::chrono::minutes(10));
}

}  // namespace runner::cli
