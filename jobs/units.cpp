#include "runner/units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>

namespace runner {

namespace {

__extension__ using Wide = unsigned __int128;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 7> kDurations{{{"ns", 1},
                                          {"us", 1'000},
                                          {"ms", 1'000'000},
                                          {"s", 1'000'000'000},
                                          {"m", 60'000'000'000},
                                          {"h", 3'600'000'000'000},
                                          {"d", 86'400'000'000'000}}};
constexpr std::array<Unit, 9> kSizes{{{"B", 1},
                                      {"kB", 1'000},
                                      {"MB", 1'000'000},
                                      {"GB", 1'000'000'000},
                                      {"TB", 1'000'000'000'000},
                                      {"KiB", std::uint64_t{1} << 10},
                                      {"MiB", std::uint64_t{1} << 20},
                                      {"GiB", std::uint64_t{1} << 30},
                                      {"TiB", std::uint64_t{1} << 40}}};

struct Amount {
  Wide scaled = 0;  // number times the unit's factor, times 10^decimals
  unsigned decimals = 0;
};

// digits [. digits] unit, exactly; nothing when the text is not of that form.
std::optional<Amount> read_amount(std::string_view text, std::span<const Unit> units) {
  std::size_t at = 0;
  Wide value = 0;
  unsigned decimals = 0;
  bool point = false, digits = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      if (value > (static_cast<Wide>(1) << 70)) return std::nullopt;  // more than any unit can hold
      value = value * 10 + static_cast<unsigned>(c - '0');
      digits = true;
      if (point) ++decimals;
    } else {
      break;
    }
  }
  if (!digits || text[at - 1] == '.') return std::nullopt;
  // "1.5 GiB", as we print it, is taken too.
  const std::string_view suffix = text.substr(at + (at < text.size() && text[at] == ' ' ? 1 : 0));
  for (const Unit& unit : units) {
    if (suffix == unit.name) return Amount{value * unit.factor, decimals};
  }
  return std::nullopt;
}

Wide power_of_ten(unsigned exponent) {
  Wide power = 1;
  for (unsigned i = 0; i < exponent && i < 30; ++i) power *= 10;
  return power;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const std::optional<Amount> amount = read_amount(text, kDurations);
  if (!amount) {
    return fail(ErrorCode::bad_batch,
                fmt::format("`{}` is no duration; write a number and one of ns us ms s m h d, such as 90s or 1.5h", text));
  }
  const Wide unit = power_of_ten(amount->decimals);
  const Wide ns = (amount->scaled + unit / 2) / unit;
  if (ns > static_cast<Wide>(INT64_MAX)) {
    return fail(ErrorCode::bad_batch, fmt::format("the duration `{}` is longer than 292 years", text));
  }
  return Duration(static_cast<std::int64_t>(ns));
}

Result<Bytes> parse_size(std::string_view text) {
  const std::optional<Amount> amount = read_amount(text, kSizes);
  if (!amount) {
    return fail(ErrorCode::bad_batch,
                fmt::format("`{}` is no size; write a number and one of B KiB MiB GiB kB MB GB, such as 64MiB", text));
  }
  const Wide unit = power_of_ten(amount->decimals);
  if (amount->scaled % unit != 0) {
    return fail(ErrorCode::bad_batch, fmt::format("the size `{}` is not a whole number of bytes", text));
  }
  const Wide bytes = amount->scaled / unit;
  if (bytes > static_cast<Wide>(UINT64_MAX)) {
    return fail(ErrorCode::bad_batch, fmt::format("the size `{}` is larger than 16 EiB", text));
  }
  return Bytes{static_cast<std::uint64_t>(bytes)};
}

namespace {

// Three significant digits, never in exponent form.
std::string three_digits(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  if (value >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

}  // namespace

std::string format_duration(Duration duration) {
  const auto ns = static_cast<double>(duration.count());
  if (ns < 0) return "-" + format_duration(-duration);
  if (ns < 999.5) return fmt::format("{} ns", duration.count());
  if (ns < 999.5e3) return three_digits(ns / 1e3) + " us";
  if (ns < 999.5e6) return three_digits(ns / 1e6) + " ms";
  if (ns < 119.5e9) return three_digits(ns / 1e9) + " s";
  const auto whole = static_cast<std::uint64_t>(std::llround(ns / 1e9));
  if (whole < 7200) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < 172'800) return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {} h", whole / 86'400, whole % 86'400 / 3600);
}

std::string format_size(Bytes bytes) {
  constexpr std::array<std::string_view, 7> names{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes.count < 1024) return fmt::format("{} B", bytes.count);
  auto value = static_cast<double>(bytes.count);
  std::size_t name = 0;
  while (value >= 1023.5 && name + 1 < names.size()) {
    value /= 1024;
    ++name;
  }
  return fmt::format("{} {}", three_digits(value), names[name]);
}

}  // namespace runner
