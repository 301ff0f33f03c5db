#include "runner/value.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace runner {

std::string found(const Value& value) {
  if (value.sequence() != nullptr) return "a list";
  if (value.mapping() != nullptr) return "a mapping";
  if (value.is_null()) return "nothing";
  const Scalar& scalar = *value.scalar();
  std::string text = scalar.text.substr(0, 60);
  // Half a character at the cut would make the message no text at all.
  while (!text.empty() && text.size() < scalar.text.size() &&
         (static_cast<unsigned char>(scalar.text[text.size()]) & 0xC0) == 0x80) {
    text.pop_back();
  }
  if (text.size() < scalar.text.size()) text += "...";
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return scalar.plain ? "`" + text + "`" : "the text \"" + text + "\"";
}

namespace {

// Restricted Damerau-Levenshtein distance (optimal string alignment): insert, delete, replace, swap neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string_view near_miss(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t longest_word = 64;
  std::string_view best;
  if (word.size() > longest_word) return best;
  std::size_t least = std::max<std::size_t>(1, std::max<std::size_t>(word.size(), 3) / 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > longest_word) continue;
    const std::size_t d = distance(word, candidate);
    if (d < least && d < candidate.size()) {
      least = d;
      best = candidate;
    }
  }
  return best;
}

}  // namespace runner
