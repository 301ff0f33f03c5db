#include "report/printable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <runner/utf8.hpp>

namespace runner::report {

namespace {

struct CodePoints {
  char32_t first, last;
};

constexpr std::array kWide{
    CodePoints{0x1100, 0x115F},   CodePoints{0x231A, 0x231B},   CodePoints{0x2329, 0x232A},   CodePoints{0x23E9, 0x23EC},
    CodePoints{0x2614, 0x2615},   CodePoints{0x2648, 0x2653},   CodePoints{0x26AA, 0x26AB},   CodePoints{0x26BD, 0x26BE},
    CodePoints{0x26C4, 0x26C5},   CodePoints{0x2705, 0x2705},   CodePoints{0x270A, 0x270B},   CodePoints{0x2728, 0x2728},
    CodePoints{0x274C, 0x274C},   CodePoints{0x2753, 0x2755},   CodePoints{0x2795, 0x2797},   CodePoints{0x2B1B, 0x2B1C},
    CodePoints{0x2B50, 0x2B50},   CodePoints{0x2E80, 0x303E},   CodePoints{0x3041, 0x33FF},   CodePoints{0x3400, 0x4DBF},
    CodePoints{0x4E00, 0xA4CF},   CodePoints{0xA960, 0xA97F},   CodePoints{0xAC00, 0xD7A3},   CodePoints{0xF900, 0xFAFF},
    CodePoints{0xFE10, 0xFE19},   CodePoints{0xFE30, 0xFE6F},   CodePoints{0xFF00, 0xFF60},   CodePoints{0xFFE0, 0xFFE6},
    CodePoints{0x1F300, 0x1F64F}, CodePoints{0x1F680, 0x1F6FF}, CodePoints{0x1F900, 0x1F9FF}, CodePoints{0x1FA70, 0x1FAFF},
    CodePoints{0x20000, 0x3FFFD}};
constexpr std::array kNarrowless{
    CodePoints{0x0300, 0x036F}, CodePoints{0x0483, 0x0489}, CodePoints{0x0591, 0x05BD}, CodePoints{0x0610, 0x061A},
    CodePoints{0x064B, 0x065F}, CodePoints{0x0E31, 0x0E31}, CodePoints{0x0E34, 0x0E3A}, CodePoints{0x1AB0, 0x1AFF},
    CodePoints{0x1DC0, 0x1DFF}, CodePoints{0x200B, 0x200D}, CodePoints{0x20D0, 0x20FF}, CodePoints{0x302A, 0x302D},
    CodePoints{0x3099, 0x309A}, CodePoints{0xFE00, 0xFE0F}, CodePoints{0xFE20, 0xFE2F}, CodePoints{0xE0100, 0xE01EF}};
// Right-to-left overrides and their kin reorder what stands around them.
constexpr std::array kReordering{CodePoints{0x061C, 0x061C}, CodePoints{0x200E, 0x200F}, CodePoints{0x2028, 0x202E},
                                 CodePoints{0x2060, 0x206F}, CodePoints{0xFEFF, 0xFEFF}};

template <std::size_t N>
bool among(const std::array<CodePoints, N>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const CodePoints& r) { return r.first <= c && c <= r.last; });
}

// `length` is what utf8_length said, and not 0.
char32_t code_point(std::string_view text, std::size_t length) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  if (length == 1) return byte(0);
  char32_t c = byte(0) & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) c = (c << 6U) | (byte(i) & 0x3FU);
  return c;
}

std::size_t width_of(char32_t c) {
  if (c < 0x300) return 1;
  if (among(kNarrowless, c)) return 0;
  return among(kWide, c) ? 2 : 1;
}

void append_escape(std::string& out, char32_t c, std::size_t length) {
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\t') {
    out += "\\t";
  } else if (c == '\r') {
    out += "\\r";
  } else if (length <= 1) {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(c));
  } else {
    fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", static_cast<unsigned>(c));
  }
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char32_t c = length == 0 ? static_cast<unsigned char>(text[0]) : code_point(text, length);
    if (length == 0 || c < 0x20 || (c >= 0x7F && c < 0xA0) || among(kReordering, c)) {
      append_escape(out, c, length);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(utf8_length(text), 1);
    columns += width_of(code_point(text, length));
    text.remove_prefix(length);
  }
  return columns;
}

std::string fit(std::string_view text, std::size_t columns) {
  // A byte shows as at least an eighth of a column or so; what lies far behind cannot be seen in any case.
  std::string shown = printable(text.substr(0, columns * 16));
  if (shown.size() <= columns || columns_of(shown) <= columns) return shown;
  if (columns == 0) return {};
  std::size_t used = 0, bytes = 0;
  while (bytes < shown.size()) {
    const std::string_view rest = std::string_view(shown).substr(bytes);
    const std::size_t length = std::max<std::size_t>(utf8_length(rest), 1);
    const std::size_t width = width_of(code_point(rest, length));
    if (used + width + 1 > columns) break;
    used += width;
    bytes += length;
  }
  return shown.substr(0, bytes) + "…";
}

std::string folded(std::string_view text, std::size_t columns) {
  constexpr std::string_view between = " · ", indent = "  ";
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::size_t used = 0;
    for (bool first = true; !line.empty(); first = false) {
      const std::size_t next = line.find(between);
      const std::string_view fact = line.substr(0, next);
      const std::size_t wide = columns_of(fact) + (first ? 0 : 3);
      if (!first && used + wide >= columns) {
        out += "\n";
        out += indent;
        used = indent.size() + wide - 3;
      } else {
        if (!first) out += between;
        used += wide;
      }
      out += fact;
      line.remove_prefix(next == std::string_view::npos ? line.size() : next + between.size());
    }
    out += "\n";
  }
  return out;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ' ');
  return digits;
}

}  // namespace runner::report
