// table.hpp - what was measured, one line each: ours, theirs, their ratio, its budget, and whether that is kept.
//
// Called from  a section (sections.hpp), in its process.
// Owns         the verdicts so far.
// Fails with   what a side throws: WrongAnswer when it did not do the work.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/ipc/trial.hpp"

namespace runner::bench {

// Of a ratio of times (at most), of throughputs (at least), or of one figure. The aim is what we would like it to be.
struct Budget {
  bool at_least = false;
  double limit = 0;
  std::optional<double> aim;

  [[nodiscard]] bool kept(double value) const { return at_least ? value >= limit : value <= limit; }
  [[nodiscard]] bool reached(double value) const { return aim && (at_least ? value >= *aim : value <= *aim); }
};
[[nodiscard]] inline Budget at_most(double limit, std::optional<double> aim = {}) { return {false, limit, aim}; }
[[nodiscard]] inline Budget at_least(double limit) { return {true, limit, {}}; }

// Measures one side: seconds for one piece of the work, whose results it has checked.
using Side = std::function<Seconds()>;

struct Comparison {
  std::string what;
  Side ours, theirs;
  std::optional<Budget> budget;  // none: for information
  std::string no_verdict;        // why there is none here, although there is a budget
};

class Table {
 public:
  explicit Table(std::size_t turns) : turns_(turns) {}

  static void head();
  // Both sides once to warm up, then in turn, A B A B ...; the ratio is the median of those of the turns.
  void compare(const Comparison& comparison);
  // One figure beside its budget, and how a person reads both.
  void judge(const std::string& what, double figure, const std::string& shown, const Budget& budget,
             const std::string& budget_shown);
  // Below the line before it.
  static void remark(const std::string& text);

  [[nodiscard]] std::size_t turns() const { return turns_; }
  // 0: all budgets kept; 1: one was missed.
  [[nodiscard]] int status() const { return missed_ ? 1 : 0; }

 private:
  std::string verdict(double value, const Budget& budget);

  std::size_t turns_;
  bool missed_ = false;
};

}  // namespace runner::bench
