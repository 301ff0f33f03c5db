// bench_pool: what a call in an isolated process costs beside a task in a thread, and the other budgets of the channel.
//
//   bench_pool                       every section: some minutes
//   bench_pool --quick               less of it
//   bench_pool --only calls,large    some sections
//   bench_pool submit CALLS          seconds for so many no-op calls, 1 000 in flight, 2 workers; for others to compare with
//
// Fails with   exit status 1: a budget was missed, or the arguments cannot be used. 2: a wrong answer, a process that died or hung.
//              128 + n: stopped by signal n.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>

#include "bench/ipc/guard.hpp"
#include "bench/ipc/machine.hpp"
#include "bench/pool/sections.hpp"
#include "bench/pool/work.hpp"

namespace runner::bench {
namespace {

struct Section {
  const char* name;
  void (*measure)(Table& table, const Scale& scale);
};
constexpr std::array kSections{Section{"calls", calls}, Section{"round-trip", round_trip},
                               Section{"crowd", crowd}, Section{"large", large},
                               Section{"idle", idle},   Section{"grain", grain}};

int measure(const Section& section, const Scale& scale) try {
  Table table(scale.turns);
  section.measure(table, scale);
  return table.status();
} catch (const std::exception& failed) {
  fmt::print(stderr, "bench_pool: {}: {}\n", section.name, failed.what());
  return 2;
}

int survey(const std::vector<std::string>& only, const Scale& scale) {
  const Processors processors = Processors::discover();
  for (const auto& [name, value] : machine(processors)) fmt::print("{:<12} {}\n", name, value);
  fmt::print(
      "\nMedians of {} turns, ours and theirs in turn; ratio: the median of the turns, of times (<=) or throughputs (>=).\n\n",
      scale.turns);
  processors.bind_to_two();
  Table::head();
  int status = 0;
  for (const Section& section : kSections) {
    if (!only.empty() && std::find(only.begin(), only.end(), section.name) == only.end()) continue;
    const int one = guarded("bench_pool", [&] { return measure(section, scale); }, std::chrono::minutes(3));
    if (one > 2) return one;
    status = std::max(status, one);
  }
  fmt::print("\n{:<12} {}\n", "load after", load());
  fmt::print("{}\n", status == 0 ? "all budgets kept" : status == 1 ? "a budget was missed" : "a section failed");
  return status;
}

int submit(std::size_t count) {
  ProcessPool pool({.procs = 2});
  fmt::print("{:.6f}\n", submit_noop_in_window(pool, count, kInFlight).count() * static_cast<double>(count));
  return 0;
}

}  // namespace
}  // namespace runner::bench

int main(int argc, char** argv) {
  using namespace runner::bench;
  CLI::App app("What a call in an isolated process costs, beside its budget.", "bench_pool");
  bool quick = false;
  std::vector<std::string> only, names;
  std::size_t count = 0;
  for (const Section& section : kSections) names.emplace_back(section.name);
  app.add_flag("--quick", quick, "fewer calls, fewer turns");
  app.add_option("--only", only, "sections to measure")->delimiter(',')->check(CLI::IsMember(names));
  CLI::App* const submits = app.add_subcommand("submit", "seconds for so many no-op calls, 1 000 in flight, 2 workers");
  submits->add_option("CALLS", count, "how many")->required()->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  if (submits->parsed()) return submit(count);
  return survey(only, quick ? Scale{.turns = 7, .less = 4} : Scale{});
}
