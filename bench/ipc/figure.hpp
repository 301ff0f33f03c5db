// figure.hpp - samples of one thing as a person reads them: the median with three digits, and the least and the most.
//
// Called from  whoever prints a table.
// Fails with   cannot fail.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace runner::bench {

// Of at least one sample.
struct Spread {
  double median = 0, least = 0, most = 0;
};
[[nodiscard]] Spread spread(std::vector<double> samples);

// Three significant digits, never in the form of 1e+03.
[[nodiscard]] std::string three_digits(double value);

// "52.1 us  (48.7-61.2)": one unit, the largest in which the median is at least 1.
[[nodiscard]] std::string time_per_message(const Spread& seconds);
// Messages of so many bytes: small ones are counted, large ones weighed.
[[nodiscard]] std::string rate(const Spread& seconds, std::size_t bytes);

}  // namespace runner::bench
