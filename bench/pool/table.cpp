#include "bench/pool/table.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "bench/ipc/figure.hpp"

namespace runner::bench {

namespace {

void line(const std::string& what, const std::string& ours, const std::string& theirs, const std::string& ratio,
          const std::string& budget, const std::string& verdict) {
  std::string text = fmt::format("{:<45} {:<20} {:<20} {:>5} {:>8}  {}", what, ours, theirs, ratio, budget, verdict);
  text.erase(text.find_last_not_of(' ') + 1);
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

std::string shown_ratio(double ratio) { return ratio < 0.0995 ? fmt::format("{:.3f}", ratio) : three_digits(ratio); }

}  // namespace

void Table::head() { line("ours : theirs", "ours (least-most)", "theirs (least-most)", "ratio", "budget", ""); }

std::string Table::verdict(double value, const Budget& budget) {
  if (!budget.kept(value)) missed_ = true;
  return !budget.kept(value) ? "MISSED" : budget.reached(value) ? "aim" : "kept";
}

void Table::compare(const Comparison& comparison) {
  static_cast<void>(comparison.ours());
  static_cast<void>(comparison.theirs());
  const bool throughput = comparison.budget && comparison.budget->at_least;
  std::vector<double> ours, theirs, ratios;
  for (std::size_t turn = 0; turn < turns_; ++turn) {
    ours.push_back(comparison.ours().count());
    theirs.push_back(comparison.theirs().count());
    ratios.push_back(throughput ? theirs.back() / ours.back() : ours.back() / theirs.back());
  }
  const double ratio = spread(ratios).median;
  line(comparison.what, time_per_message(spread(ours)), time_per_message(spread(theirs)), shown_ratio(ratio),
       comparison.budget ? fmt::format("{} {:.2f}", throughput ? ">=" : "<=", comparison.budget->limit) : "",
       !comparison.budget              ? ""
       : comparison.no_verdict.empty() ? verdict(ratio, *comparison.budget)
                                       : "none");
  if (!comparison.no_verdict.empty()) remark("no verdict: " + comparison.no_verdict);
}

void Table::judge(const std::string& what, double figure, const std::string& shown, const Budget& budget,
                  const std::string& budget_shown) {
  line(what, shown, "", "", (budget.at_least ? ">= " : "<= ") + budget_shown, verdict(figure, budget));
}

void Table::remark(const std::string& text) {
  fmt::print("  {}\n", text);
  std::fflush(stdout);
}

}  // namespace runner::bench
