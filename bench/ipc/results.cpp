#include "bench/ipc/results.hpp"

#include <algorithm>

namespace runner::bench {

void Results::remark(const std::string& text) {
  if (std::find(remarks_.begin(), remarks_.end(), text) == remarks_.end()) remarks_.push_back(text);
}

const master::Histogram* Results::distribution(const Measured& measured) const {
  const auto found = distributions_.find(measured);
  return found == distributions_.end() ? nullptr : &found->second;
}

const std::vector<double>* Results::find(const Measured& measured) const {
  const auto found = samples_.find(measured);
  return found == samples_.end() ? nullptr : &found->second;
}

}  // namespace runner::bench
