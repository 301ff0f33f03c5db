#include "config/value_list.hpp"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

constexpr unsigned kMostDecimals = 15;
constexpr std::int64_t kLargest = std::int64_t{1} << 61;  // so that the distance of any two fits

struct Decimal {
  std::int64_t digits = 0;  // value = digits * 10^-decimals
  unsigned decimals = 0;
};

// "-1", "0.25"; nothing else.
std::optional<Decimal> parse_decimal(std::string_view text) {
  Decimal number;
  std::string digits;
  bool point = false, any = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 0 && (c == '-' || c == '+')) {
      if (c == '-') digits += c;
    } else if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digits += c;
      any = true;
      if (point) ++number.decimals;
    } else {
      return std::nullopt;
    }
  }
  if (!any || number.decimals > kMostDecimals) return std::nullopt;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number.digits);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

// The same number with more decimals; nothing: it does not fit.
std::optional<std::int64_t> scaled(const Decimal& number, unsigned decimals) {
  std::int64_t digits = number.digits;
  for (unsigned i = number.decimals; i < decimals; ++i) {
    if (digits > kLargest / 10 || digits < -kLargest / 10) return std::nullopt;
    digits *= 10;
  }
  if (digits > kLargest || digits < -kLargest) return std::nullopt;
  return digits;
}

void print_decimal(std::int64_t digits, unsigned decimals, std::string& out) {
  out.clear();
  if (decimals == 0) {
    fmt::format_to(std::back_inserter(out), "{}", digits);
    return;
  }
  const bool negative = digits < 0;
  std::uint64_t magnitude = negative ? ~static_cast<std::uint64_t>(digits) + 1 : static_cast<std::uint64_t>(digits);
  std::string text = fmt::format("{:0{}}", magnitude, decimals + 1);
  text.insert(text.size() - decimals, ".");
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  if (negative) out = "-";
  out += text;
}

// How many steps lead from start to end, both included; nothing: none, or the range has more values than can be counted.
std::optional<std::uint64_t> count_steps(std::int64_t start, std::int64_t end, std::int64_t step) {
  const std::int64_t distance = end - start;
  if ((distance < 0 && step > 0) || (distance > 0 && step < 0)) return std::nullopt;
  return static_cast<std::uint64_t>(distance / step) + 1;
}

}  // namespace

ValueList ValueList::range(const std::string& key, const Value& value) {
  const Sequence* parts = value.sequence();
  if (parts == nullptr || parts->size() < 2 || parts->size() > 3) {
    bad(value.at, fmt::format("the range of `{}` must be [first, last] or [first, last, step], found {}", key,
                              parts == nullptr ? found(value) : fmt::format("a list of {}", parts->size())));
  }
  std::vector<Decimal> numbers;
  unsigned decimals = 0;
  for (const Value& part : *parts) {
    const Scalar* scalar = part.scalar();
    const std::optional<Decimal> number = scalar != nullptr && scalar->plain ? parse_decimal(scalar->text) : std::nullopt;
    if (!number) {
      bad(part.at, fmt::format("the range of `{}` needs decimal numbers of at most {} decimals, found {}", key, kMostDecimals,
                               found(part)));
    }
    numbers.push_back(*number);
    decimals = std::max(decimals, number->decimals);
  }
  if (numbers.size() == 2) numbers.push_back({1, 0});
  std::vector<std::int64_t> exact;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::optional<std::int64_t> digits = scaled(numbers[i], decimals);
    if (!digits) bad(value.at, fmt::format("the range of `{}` has numbers with too many digits", key));
    exact.push_back(*digits);
  }
  if (exact[2] == 0) bad((*parts)[2].at, fmt::format("the step of the range of `{}` is 0; it would never end", key));
  const std::optional<std::uint64_t> count = count_steps(exact[0], exact[1], exact[2]);
  if (!count) {
    bad(value.at, fmt::format("the range of `{}` is empty: a step of {} does not lead from {} to {}", key,
                              parts->size() == 3 ? (*parts)[2].scalar()->text : "1", (*parts)[0].scalar()->text,
                              (*parts)[1].scalar()->text));
  }
  ValueList list;
  list.values_ = Range{exact[0], exact[2], decimals};
  list.size_ = *count;
  return list;
}

ValueList ValueList::glob(const std::string& key, const Value& value) {
  const Scalar* pattern = value.scalar();
  if (pattern == nullptr || value.is_null())
    bad(value.at, fmt::format("the glob of `{}` must be a pattern such as \"photos/*.jpg\", found {}", key, found(value)));
  struct Matches : glob_t {
    Matches() : glob_t{} {}
    ~Matches() { ::globfree(this); }
  } matches;
  const int answer = ::glob(pattern->text.c_str(), 0, nullptr, &matches);  // sorted
  if (answer == GLOB_NOMATCH)
    bad(value.at, fmt::format("the glob `{}` of `{}` matches no file; patterns are relative to the working directory",
                              pattern->text, key));
  if (answer != 0)
    bad(value.at, fmt::format("the glob `{}` of `{}` cannot be read: {}", pattern->text, key,
                              answer == GLOB_NOSPACE ? "out of memory" : "a folder in it cannot be opened"));
  std::vector<Value> files;
  for (std::size_t i = 0; i < matches.gl_pathc; ++i) files.push_back({Scalar{matches.gl_pathv[i], false}, value.at});
  // glob sorts by the locale's order; files of one run are the same for everybody only in byte order.
  std::sort(files.begin(), files.end(), [](const Value& a, const Value& b) { return a.scalar()->text < b.scalar()->text; });
  ValueList list;
  list.size_ = files.size();
  list.files_ = true;
  list.values_ = std::move(files);
  return list;
}

ValueList ValueList::parse(const std::string& key, const Value& value) {
  ValueList list;
  if (const Sequence* listed = value.sequence()) {
    if (listed->empty())
      bad(value.at, fmt::format("the list of `{}` is empty, so there would be no job; add a value or leave the key out", key));
    list.values_ = *listed;
    list.size_ = listed->size();
  } else if (const Mapping* form = value.mapping()) {
    const std::string word = form->size() == 1 ? form->front().key.text : std::string();
    if (word == "range") {
      list = range(key, form->front().value);
    } else if (word == "glob") {
      list = glob(key, form->front().value);
    } else {
      bad(value.at, fmt::format("the values of `{}` must be a list, `a..b`, {{range: [first, last, step]}}, {{glob: pattern}}, "
                                "{{lines: file}}, {{csv: file}} "
                                "or {{jsonl: file}}",
                                key));
    }
  } else {
    const Scalar& scalar = *value.scalar();
    const std::size_t dots = scalar.text.find("..");
    Value ends{Sequence{}, value.at};
    if (dots != std::string::npos) {
      auto& parts = std::get<Sequence>(ends.data);
      parts.push_back({Scalar{scalar.text.substr(0, dots), true}, value.at});
      parts.push_back({Scalar{scalar.text.substr(dots + 2), true}, value.at});
      for (const Value& part : parts) {
        const std::optional<Decimal> number = parse_decimal(part.scalar()->text);
        if (!number || number->decimals != 0) {
          bad(value.at,
              fmt::format("`{}` of `{}` must be two whole numbers, as in 1..1000; fractions go into {{range: [0, 1, 0.25]}}",
                          scalar.text, key));
        }
      }
      list = range(key, ends);
    } else {
      bad(value.at, fmt::format("the values of `{}` must be a list, `a..b`, {{range: [first, last, step]}} or {{glob: "
                                "pattern}}, found {}; a single "
                                "value is a list of one: [{}]",
                                key, found(value), scalar.text));
    }
  }
  list.at_ = value.at;
  return list;
}

void ValueList::at(std::uint64_t i, Value& out) const {
  if (const auto* listed = std::get_if<std::vector<Value>>(&values_)) {
    out = (*listed)[i];
    return;
  }
  const Range& range = std::get<Range>(values_);
  if (!std::holds_alternative<Scalar>(out.data)) out.data = Scalar{};
  Scalar& scalar = std::get<Scalar>(out.data);
  // i < size, so the sum is between both ends and fits.
  const std::int64_t value = range.start + static_cast<std::int64_t>(i) * range.step;
  print_decimal(value, range.decimals, scalar.text);
  scalar.plain = true;
  out.at = at_;
}

std::vector<std::uint64_t> ValueList::representatives() const {
  std::vector<std::uint64_t> indices;
  if (std::holds_alternative<Range>(values_)) {
    indices.push_back(0);
    if (size_ > 1) indices.push_back(1);
    if (size_ > 2) indices.push_back(size_ - 1);
  } else {
    for (std::uint64_t i = 0; i < size_; ++i) indices.push_back(i);
  }
  return indices;
}

bool ValueList::distinct() const {
  const auto* listed = std::get_if<std::vector<Value>>(&values_);
  if (listed == nullptr) return true;
  std::unordered_set<std::string_view> seen;
  return std::all_of(listed->begin(), listed->end(),
                     [&](const Value& value) { return value.scalar() != nullptr && seen.insert(value.scalar()->text).second; });
}

std::bitset<256> ValueList::bytes() const {
  std::bitset<256> bytes;
  if (const auto* range = std::get_if<Range>(&values_)) {
    for (char c = '0'; c <= '9'; ++c) bytes.set(static_cast<unsigned char>(c));
    if (range->decimals != 0) bytes.set('.');
    if (range->start < 0 || range->step < 0) bytes.set('-');
    return bytes;
  }
  for (const Value& value : std::get<std::vector<Value>>(values_)) {
    if (value.scalar() == nullptr) continue;
    for (const char c : value.scalar()->text) bytes.set(static_cast<unsigned char>(c));
  }
  return bytes;
}

}  // namespace runner::config
