// yaml.hpp - YAML text -> one Value tree with places.
//
// The parser accepts more than a batch file may hold; what it lets pass in silence is checked here: a second document, text
// after the end, duplicate keys, quotes that are never closed, NUL and control characters, invalid UTF-8, anchors, aliases and
// tags (an alias bomb expands to nothing, because there are no aliases), depth.
//
// Called from  read_batch.cpp.
// Fails with   BadBatch.
#pragma once

#include <string_view>

#include <runner/value.hpp>

namespace runner::config {

inline constexpr std::size_t kDeepestNesting = 64;
inline constexpr std::size_t kMostValues = 10'000'000;  // some gigabytes; `matrix:` needs one for any number of jobs

[[nodiscard]] Value parse_yaml(std::string_view text);

}  // namespace runner::config
