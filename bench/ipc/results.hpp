// results.hpp - the figures of a run: for each thing that was measured, one sample per repetition.
//
// Called from  the measuring process: survey adds, table and json read.
// Fails with   cannot fail.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bench/ipc/placement.hpp"
#include "bench/ipc/trial.hpp"

namespace runner::bench {

enum class What { round_trip, stream };

struct Measured {
  What what{};
  std::string by;  // the mechanism's name
  std::size_t bytes = 0;
  std::size_t children = 1;
  Placement placement{};
  auto operator<=>(const Measured&) const = default;
};

class Results {
 public:
  void add(const Measured& measured, Seconds sample) { samples_[measured].push_back(sample.count()); }
  void add(const Measured& measured, const master::Histogram& more) { distributions_[measured] += more; }
  // Printed below the tables, each once.
  void remark(const std::string& text);

  // Nothing when it was not measured.
  [[nodiscard]] const std::vector<double>* find(const Measured& measured) const;
  // Of single messages; null: these were not timed.
  [[nodiscard]] const master::Histogram* distribution(const Measured& measured) const;
  [[nodiscard]] const std::map<Measured, std::vector<double>>& all() const { return samples_; }  // seconds per message
  [[nodiscard]] const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  std::map<Measured, std::vector<double>> samples_;
  std::map<Measured, master::Histogram> distributions_;
  std::vector<std::string> remarks_;
};

}  // namespace runner::bench
