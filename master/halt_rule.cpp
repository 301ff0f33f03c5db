#include "master/halt_rule.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <tuple>

namespace runner::master {

namespace {

tl::unexpected<Error> wrong(std::string_view text, std::string_view why) {
  return fail(
      ErrorCode::usage,
      fmt::format("`{}` {}; write never, or now|soon,fail|success|done=N|N%, such as soon,fail=3 or now,done=10%", text, why));
}

std::string_view word(HaltRule::Why why) {
  switch (why) {
    case HaltRule::Why::fail: return "fail";
    case HaltRule::Why::success: return "success";
    case HaltRule::Why::done: break;
  }
  return "done";
}

}  // namespace

Result<std::optional<HaltRule>> HaltRule::parse(std::string_view text) {
  if (text == "never") return std::optional<HaltRule>();
  // The forms of old, which GNU parallel still reads: 1, 2, -1, -2, 0 and 1%-99%.
  if (text == "0") return std::optional<HaltRule>();
  for (const auto& [old, when, why] : {std::tuple{"1", When::soon, Why::fail},
                                       {"2", When::now, Why::fail},
                                       {"-1", When::soon, Why::success},
                                       {"-2", When::now, Why::success}}) {
    if (text == old) return std::optional(HaltRule{when, why, 1, false});
  }
  if (text.ends_with('%') && text.find_first_not_of("0123456789%") == std::string_view::npos)
    return parse("soon,fail=" + std::string(text));
  const std::size_t comma = text.find(','), equals = text.find('=');
  if (comma == std::string_view::npos || equals == std::string_view::npos || equals < comma)
    return wrong(text, "does not say when and why to halt");
  const std::string_view when = text.substr(0, comma), why = text.substr(comma + 1, equals - comma - 1);
  std::string_view amount = text.substr(equals + 1);
  HaltRule rule;
  if (when == "now") {
    rule.when = When::now;
  } else if (when != "soon") {
    return wrong(text, fmt::format("says `{}` instead of now or soon", when));
  }
  if (why == "success") {
    rule.why = Why::success;
  } else if (why == "done") {
    rule.why = Why::done;
  } else if (why != "fail") {
    return wrong(text, fmt::format("counts `{}` instead of fail, success or done", why));
  }
  rule.percent = amount.ends_with('%');
  if (rule.percent) amount.remove_suffix(1);
  const auto [end, error] = std::from_chars(amount.data(), amount.data() + amount.size(), rule.amount);
  if (error != std::errc() || end != amount.data() + amount.size() || !(rule.amount > 0)) {
    return wrong(text, fmt::format("has `{}` where a number above 0 is expected", text.substr(equals + 1)));
  }
  if (rule.percent && rule.amount > 100) return wrong(text, "is more than all of the jobs");
  if (!rule.percent && (rule.amount != std::floor(rule.amount) || rule.amount > 0x1p53))
    return wrong(text, "does not count whole jobs");
  return std::optional<HaltRule>(rule);
}

bool HaltRule::reached(const Tally& tally, std::optional<std::uint64_t> size) const {
  const std::uint64_t jobs = why == Why::fail ? tally.failed : why == Why::success ? tally.succeeded : tally.done;
  if (jobs == 0 || (percent && !size)) return false;
  return percent ? static_cast<double>(jobs) * 100 >= amount * static_cast<double>(*size) : static_cast<double>(jobs) >= amount;
}

bool HaltRule::within(std::uint64_t jobs, const Tally& tally, std::optional<std::uint64_t> size) const {
  return reached({tally.failed + jobs, tally.succeeded + jobs, tally.done + jobs}, size);
}

std::string HaltRule::text() const {
  return fmt::format("{},{}={}{}", when == When::now ? "now" : "soon", word(why), amount, percent ? "%" : "");
}

}  // namespace runner::master
