#include "runner/plan.hpp"

#include <algorithm>

namespace runner {

Lists Lists::inverted(std::size_t n) const {
  Lists other;
  other.ends_.assign(n, 0);
  for (const std::uint32_t j : values_) ++other.ends_[j];
  for (std::size_t j = 1; j < n; ++j) other.ends_[j] += other.ends_[j - 1];
  other.values_.resize(values_.size());
  // Filled from the back, so that each list is in order and its end becomes its beginning, which is the end of the one before.
  std::vector<std::size_t> place = other.ends_;
  for (std::size_t i = size(); i-- > 0;) {
    for (const std::uint32_t j : (*this)[i]) other.values_[--place[j]] = static_cast<std::uint32_t>(i);
  }
  return other;
}

std::uint32_t Plan::block_of(JobId job) const {
  const auto behind =
      std::upper_bound(blocks.begin(), blocks.end(), job, [](JobId id, const Block& block) { return id < block.first; });
  return static_cast<std::uint32_t>(behind - blocks.begin() - 1);
}

}  // namespace runner
