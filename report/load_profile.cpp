#include "report/load_profile.hpp"

#include <algorithm>

namespace runner::report {

void LoadProfile::add(Duration from, Duration to) {
  from = std::max(from, Duration::zero());
  if (to <= from) return;
  while ((to - Duration(1)) / width_ >= static_cast<std::int64_t>(kParts)) {
    for (std::size_t i = 0; i < busy_.size(); i += 2)
      busy_[i / 2] = busy_[i] + (i + 1 < busy_.size() ? busy_[i + 1] : Duration{});
    busy_.resize((busy_.size() + 1) / 2);
    width_ *= 2;
  }
  const auto last = static_cast<std::size_t>((to - Duration(1)) / width_);
  if (last >= busy_.size()) busy_.resize(last + 1);
  for (auto part = static_cast<std::size_t>(from / width_); part <= last; ++part) {
    const Duration begin = width_ * static_cast<std::int64_t>(part);
    busy_[part] += std::min(to, begin + width_) - std::max(from, begin);
  }
}

}  // namespace runner::report
