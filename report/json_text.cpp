#include "report/json_text.hpp"

#include <array>
#include <charconv>

#include <runner/utf8.hpp>

namespace runner::report {

namespace {

bool as_it_is(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default:
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4U];
      out += kHex[static_cast<unsigned char>(c) & 0xFU];
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t run = at;
    while (run < text.size() && as_it_is(text[run])) ++run;
    out.append(text, at, run - at);
    at = run;
    if (at == text.size()) break;
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      append_escaped(out, text[at++]);
    } else if (const std::size_t length = utf8_length(text.substr(at)); length != 0) {
      out.append(text, at, length);
      at += length;
    } else {
      out += "\xEF\xBF\xBD";
      ++at;
    }
  }
  out += '"';
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) {
      return k < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[k])) : 0U;
    };
    const std::uint32_t three = byte(i) << 16U | byte(i + 1) << 8U | byte(i + 2);
    out += kAlphabet[three >> 18U];
    out += kAlphabet[three >> 12U & 63U];
    out += i + 1 < bytes.size() ? kAlphabet[three >> 6U & 63U] : '=';
    out += i + 2 < bytes.size() ? kAlphabet[three & 63U] : '=';
  }
}

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_seconds(std::string& out, Duration duration) {
  const auto ns = static_cast<std::uint64_t>(duration.count() < 0 ? 0 : duration.count());
  append_number(out, ns / 1'000'000'000);
  std::uint64_t fraction = ns % 1'000'000'000;
  if (fraction == 0) return;
  std::array<char, 10> digits;
  digits[0] = '.';
  for (std::size_t i = 9; i > 0; --i, fraction /= 10) digits[i] = static_cast<char>('0' + fraction % 10);
  std::size_t length = digits.size();
  while (digits[length - 1] == '0') --length;
  out.append(digits.data(), length);
}

}  // namespace runner::report
