#include "bench/ipc/figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace runner::bench {

namespace {

struct Unit {
  double size;
  const char* name;
};

template <std::size_t n>
std::string shown(const Spread& of, const std::array<Unit, n>& units) {
  const auto fits = std::find_if(units.begin(), units.end() - 1, [&](const Unit& unit) { return of.median >= unit.size; });
  return fmt::format("{:>4} {:<3} ({}-{})", three_digits(of.median / fits->size), fits->name,
                     three_digits(of.least / fits->size), three_digits(of.most / fits->size));
}

}  // namespace

Spread spread(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t half = samples.size() / 2;
  const double median = samples.size() % 2 == 1 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
  return {median, samples.front(), samples.back()};
}

std::string three_digits(double value) { return fmt::format("{:.{}f}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0); }

std::string time_per_message(const Spread& seconds) {
  return shown(seconds, std::array{Unit{1, "s"}, Unit{1e-3, "ms"}, Unit{1e-6, "us"}, Unit{1e-9, "ns"}});
}

std::string rate(const Spread& seconds, std::size_t bytes) {
  const double of_one = bytes < 16384 ? 1 : static_cast<double>(bytes);
  const Spread each{of_one / seconds.median, of_one / seconds.most, of_one / seconds.least};
  if (bytes < 16384) return shown(each, std::array{Unit{1e6, "M/s"}, Unit{1e3, "k/s"}, Unit{1, "/s"}});
  return shown(each, std::array{Unit{1 << 30, "GiB/s"}, Unit{1 << 20, "MiB/s"}});
}

}  // namespace runner::bench
