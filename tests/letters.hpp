// letters.hpp - text of any length that differs from what lies beside it and from text of another length.
#pragma once

#include <cstddef>
#include <string>

namespace runner {

[[nodiscard]] inline std::string letters(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (bytes + i) % 23);
  return text;
}

}  // namespace runner
