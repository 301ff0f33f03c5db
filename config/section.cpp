#include "config/section.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/bad_batch.hpp"

namespace runner::config {

const Scalar& scalar_of(const Value& value, std::string_view what) {
  if (value.scalar() == nullptr || value.is_null()) bad(value.at, fmt::format("{} must be text, found {}", what, found(value)));
  return *value.scalar();
}

Section::Section(const Value& value, std::string what) : value_(&value), what_(std::move(what)) {
  if (value.mapping() == nullptr)
    bad(value.at, fmt::format("{} must be a mapping (`key: value` lines), found {}", what_, found(value)));
}

const Value* Section::take(std::string_view key) {
  known_.push_back(key);
  for (const auto& [name, value] : *value_->mapping()) {
    if (name.text == key) return &value;
  }
  return nullptr;
}

const Value& Section::need(std::string_view key, std::string_view advice) {
  const Value* value = take(key);
  if (value == nullptr) bad(value_->at, fmt::format("{} needs `{}`; {}", what_, key, advice));
  return *value;
}

void Section::finish() const {
  for (const auto& [name, value] : *value_->mapping()) {
    if (std::find(known_.begin(), known_.end(), name.text) != known_.end()) continue;
    const std::string_view near = near_miss(name.text, known_);
    bad(value.at, near.empty() ? fmt::format("{} has no key `{}`; its keys are: {}", what_, name.text, fmt::join(known_, ", "))
                               : fmt::format("{} has no key `{}`; did you mean `{}`?", what_, name.text, near));
  }
}

}  // namespace runner::config
