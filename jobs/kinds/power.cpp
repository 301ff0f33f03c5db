// A whole number to a whole power, all digits of it.
//
// Source: binary exponentiation, D. E. Knuth, "The Art of Computer Programming" vol. 2, 4.6.3, from the highest bit of the
// exponent down; radix conversion by division, 4.4. Arithmetic is Boost.Multiprecision's.
#include <fmt/format.h>

#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <cstddef>
#include <cstdint>
#include <runner/job.hpp>
#include <string>
#include <vector>

#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

using boost::multiprecision::cpp_int;

struct PowerArgs {
  std::int64_t base{};
  std::uint32_t exponent{};
  template <class A>
  void serialize(A& a) {
    a(arg("base", base, "may be negative").range(-1'000'000, 1'000'000),
      arg("exponent", exponent, "0 gives 1, for the base 0 too").range(0, 100'000));
  }
};
struct Power {
  std::string value;       // decimal
  std::uint64_t digits{};  // of `value`, without its sign
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(value), CEREAL_NVP(digits));
  }
};

// The digits of a non-negative number. By hand, because cpp_int::str() cannot be stopped and takes seconds for the largest.
std::string decimal(cpp_int number, const JobContext& context) {
  constexpr std::uint64_t group = 1'000'000'000'000'000'000;  // 18 digits: what a 64-bit remainder holds
  std::vector<std::uint64_t> groups;                          // lowest first
  cpp_int quotient, remainder;
  do {
    leave_when_stopped(context);
    divide_qr(number, cpp_int(group), quotient, remainder);
    groups.push_back(remainder.convert_to<std::uint64_t>());
    number.swap(quotient);
  } while (!number.is_zero());

  std::string text = fmt::format("{}", groups.back());
  for (std::size_t i = groups.size() - 1; i > 0; --i) text += fmt::format("{:018}", groups[i - 1]);
  return text;
}

Power power(const PowerArgs& args, JobContext& context) {
  const bool negative = args.base < 0 && args.exponent % 2 == 1;
  const cpp_int base = args.base < 0 ? -args.base : args.base;
  cpp_int number = 1;
  for (auto bit = std::bit_width(args.exponent); bit > 0; --bit) {
    leave_when_stopped(context);
    number *= number;
    if ((args.exponent >> (bit - 1) & 1) != 0) number *= base;
  }
  Power result{.value = decimal(std::move(number), context), .digits = 0};
  result.digits = result.value.size();
  if (negative) result.value.insert(0, 1, '-');
  return result;
}

RUNNER_JOB("power", power, "Raises `base` to `exponent` exactly, and answers with every digit.")

}  // namespace
}  // namespace runner
