// course.hpp - the course of a comparison: a first run of each model, then as many as count, in turn, then the sweep of job lengths.
//
// What goes on is told on standard error.
//
// Called from  compare.cpp, on the main thread, which must be the only one.
// Owns         the comparison that it gathers, and what Ctrl-C does meanwhile.
// Fails with   usage (no job can be compared), system. That a model cannot run the batch is no failure: it is left out, with the reason.
// Call order   run (comparison | compared | all_equal | any)*
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <runner/batch.hpp>
#include <runner/registry.hpp>
#include "cli/interruption.hpp"
#include "cli/options.hpp"
#include "cli/trial.hpp"
#include "report/comparison.hpp"

namespace runner::cli {

class Course {
 public:
  // All outlive it.
  Course(const CompareOptions& options, Batch& batch, Registry& registry, ResultHashes hashes, std::uint32_t cpus);

  // Answers false when it was interrupted; compared() tells whether all but the sweep was done by then.
  [[nodiscard]] Result<bool> run();

  [[nodiscard]] const report::Comparison& comparison() const { return comparison_; }
  [[nodiscard]] bool compared() const { return compared_; }
  [[nodiscard]] bool all_equal() const { return equal_; }
  // Whether a model could run the batch.
  [[nodiscard]] bool any() const;

 private:
  [[nodiscard]] std::uint64_t eagerness(std::size_t at) const;
  [[nodiscard]] Result<Tried> try_model(std::size_t at);
  [[nodiscard]] Result<bool> warm_up(std::size_t at);
  [[nodiscard]] Result<void> tell(const report::Sample& first);
  [[nodiscard]] Result<bool> measure(std::size_t at);
  void compare_results(const report::Model& model);
  [[nodiscard]] Duration expected(const report::Sample& sample) const;
  [[nodiscard]] std::string round_line(std::uint32_t round) const;
  [[nodiscard]] Result<bool> sweep();
  [[nodiscard]] Result<bool> sweep_one(report::Curve& curve, std::size_t point, const CompareOptions::Model& how,
                                       Duration work);

  const CompareOptions& options_;
  Batch& batch_;
  Registry& registry_;
  ResultHashes hashes_;
  Interruption interruption_;
  report::Comparison comparison_;
  std::vector<CompareOptions::Model> how_;  // of each model
  std::optional<std::uint64_t> reference_;  // the sum of the results of the model that ran first
  std::vector<std::uint64_t> results_;
  std::string first_;
  bool compared_ = false;
  bool equal_ = true;
  bool told_ = false;
  std::uint64_t payload_ = 0, answer_ = 0;  // bytes of a job of the batch
};

}  // namespace runner::cli
