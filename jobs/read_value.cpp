#include "runner/read_value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>
#include <system_error>

namespace runner {

namespace {

[[noreturn]] void wrong(const Value& value, const std::string& name, std::string_view wanted, std::string_view hint = {}) {
  std::string text = fmt::format("`{}` must be {}, found {}", name, wanted, found(value));
  if (!hint.empty()) text += fmt::format(" ({})", hint);
  throw ValueError{value.at, std::move(text)};
}

// The text of a scalar that may be a number; throws for anything else.
std::string_view plain(const Value& value, const std::string& name, std::string_view wanted) {
  const Scalar* scalar = value.scalar();
  if (scalar == nullptr || value.is_null()) wrong(value, name, wanted);
  if (!scalar->plain) wrong(value, name, wanted, "write it without quotes");
  return scalar->text;
}

struct Whole {
  bool negative = false;
  std::uint64_t magnitude = 0;
};
enum class Reading : std::uint8_t { good, no_number, too_large };

// Decimal (a leading zero changes nothing), 0x..., 0o..., or a decimal with point and exponent that is exactly whole.
Reading read_whole(std::string_view text, Whole& whole) {
  if (text.starts_with('+') || text.starts_with('-')) {
    whole.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.starts_with("0x")) base = 16;
  if (text.starts_with("0o")) base = 8;
  if (base != 10) text.remove_prefix(2);
  if (text.empty() || text.front() == '+' || text.front() == '-') return Reading::no_number;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, whole.magnitude, base);
  if (at == end) return error == std::errc::result_out_of_range ? Reading::too_large : Reading::good;
  if (base != 10) return Reading::no_number;
  // 1e6, 2.5e3: a number of another spelling, accepted when nothing is lost.
  double real = 0;
  const auto [real_at, real_error] = std::from_chars(text.data(), end, real);
  if (real_at != end || (error == std::errc::invalid_argument && text.front() != '.')) return Reading::no_number;
  if (real_error == std::errc::result_out_of_range || real >= 0x1p53) return Reading::too_large;
  if (real != std::floor(real)) return Reading::no_number;
  whole.magnitude = static_cast<std::uint64_t>(real);
  return Reading::good;
}

}  // namespace

void read_scalar(const Value& value, const std::string& name, bool& out) {
  const std::string_view text = plain(value, name, "true or false");
  if (text == "true" || text == "True" || text == "TRUE") {
    out = true;
  } else if (text == "false" || text == "False" || text == "FALSE") {
    out = false;
  } else {
    wrong(value, name, "true or false");
  }
}

void read_scalar(const Value& value, const std::string& name, std::string& out) {
  const Scalar* scalar = value.scalar();
  if (scalar == nullptr || value.is_null()) wrong(value, name, "text");
  out = scalar->text;
}

void read_scalar(const Value& value, const std::string& name, Duration& out) {
  const Scalar* scalar = value.scalar();
  if (scalar == nullptr || value.is_null()) wrong(value, name, "a duration such as 90s or 200ms");
  const Result<Duration> duration = parse_duration(scalar->text);
  if (!duration) throw ValueError{value.at, "`" + name + "`: " + duration.error().text};
  out = *duration;
}

void read_scalar(const Value& value, const std::string& name, Bytes& out) {
  const Scalar* scalar = value.scalar();
  if (scalar == nullptr || value.is_null()) wrong(value, name, "a size such as 64MiB");
  const Result<Bytes> bytes = parse_size(scalar->text);
  if (!bytes) throw ValueError{value.at, "`" + name + "`: " + bytes.error().text};
  out = *bytes;
}

std::int64_t read_signed(const Value& value, const std::string& name, std::int64_t low, std::int64_t high) {
  Whole whole;
  const Reading reading = read_whole(plain(value, name, "a whole number"), whole);
  if (reading == Reading::no_number) wrong(value, name, "a whole number");
  const auto limit = static_cast<std::uint64_t>(high) + (whole.negative ? 1U : 0U);
  if (reading == Reading::too_large || whole.magnitude > limit) {
    wrong(value, name, fmt::format("a whole number from {} to {}", low, high));
  }
  return whole.negative ? static_cast<std::int64_t>(~whole.magnitude + 1) : static_cast<std::int64_t>(whole.magnitude);
}

std::uint64_t read_unsigned(const Value& value, const std::string& name, std::uint64_t high) {
  Whole whole;
  const Reading reading = read_whole(plain(value, name, "a whole number"), whole);
  if (reading == Reading::no_number) wrong(value, name, "a whole number");
  if (reading == Reading::too_large || whole.magnitude > high || (whole.negative && whole.magnitude != 0)) {
    wrong(value, name, fmt::format("a whole number from 0 to {}", high));
  }
  return whole.magnitude;
}

double read_real(const Value& value, const std::string& name, double highest) {
  std::string_view text = plain(value, name, "a number");
  if (text.starts_with('+')) text.remove_prefix(1);
  double real = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), real);
  const bool all = at == text.data() + text.size() && !text.empty();
  // "inf" and "nan" are words to from_chars, but no amounts that a job could work with.
  if (!all || (error == std::errc() && !std::isfinite(real))) wrong(value, name, "a number");
  if (error == std::errc::result_out_of_range || std::abs(real) > highest) {
    wrong(value, name, fmt::format("a number of at most {:g} in size", highest));
  }
  return real;
}

ValueReader::ValueReader(const Value& value, std::string owner) : InputArchive(this), value_(&value), owner_(std::move(owner)) {
  if (value.mapping() == nullptr && !value.is_null()) {
    throw ValueError{value.at, "the arguments of " + owner_ + " must be a mapping, found " + found(value)};
  }
}

const Value* ValueReader::take(const char* name) {
  asked_.push_back(name);
  const Mapping* mapping = value_->mapping();
  if (mapping == nullptr) return nullptr;
  for (const auto& [key, item] : *mapping) {
    if (key.text == name) return &item;
  }
  return nullptr;
}

void ValueReader::finish() const {
  static const Mapping nothing;
  const std::vector<std::string_view> names(asked_.begin(), asked_.end());
  for (const auto& [key, item] : value_->mapping() != nullptr ? *value_->mapping() : nothing) {
    if (std::find(names.begin(), names.end(), key.text) != names.end()) continue;
    std::string text = fmt::format("{} has no argument `{}`", owner_, key.text);
    if (const std::string_view near = near_miss(key.text, names); !near.empty()) {
      text += fmt::format("; did you mean `{}`?", near);
    } else if (names.empty()) {
      text += "; it takes none";
    } else {
      text += fmt::format("; it takes: {}", fmt::join(names, ", "));
    }
    throw ValueError{item.at, std::move(text)};
  }
  if (!missing_.empty()) throw ValueError{value_->at, missing_};
}

void ValueReader::missing(const char* name, const char* description) {
  if (!missing_.empty()) return;
  missing_ = fmt::format("{} needs the argument `{}`", owner_, name);
  if (*description != '\0') missing_ += fmt::format(" ({})", description);
}

void ValueReader::out_of_range(const Value& given, const char* name, const std::string& low, const std::string& high) const {
  throw ValueError{given.at, fmt::format("`{}` must be from {} to {}, found {}", name, low, high, found(given))};
}

void ValueReader::check_choice(const Value& given, const char* name, std::string_view text,
                               std::initializer_list<std::string_view> choices) {
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return;
  std::string message = fmt::format("`{}` must be one of {}, found {}", name, fmt::join(choices, ", "), found(given));
  const std::string_view near = near_miss(text, choices);
  if (!near.empty()) message += fmt::format("; did you mean `{}`?", near);
  throw ValueError{given.at, std::move(message)};
}

std::string ValueReader::show_real(double bound) { return fmt::format("{:g}", bound); }

}  // namespace runner
