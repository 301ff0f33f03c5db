// A kind of one's own: what it takes, what it gives, one function, one macro.
#include <cmath>
#include <cstdint>
#include <random>
#include <runner/job.hpp>

struct PriceArgs {
  double spot{}, strike{}, volatility{}, years{};
  std::uint64_t paths{}, seed{};
  template <class A>
  void serialize(A& a) {
    a(runner::arg("spot", spot, "price of the share today").range(0, 1e9),
      runner::arg("strike", strike, "agreed price").range(0, 1e9),
      runner::arg("volatility", volatility, "of the share").unit("per year").range(0, 10).or_default(0.2),
      runner::arg("years", years, "until the option ends").unit("years").range(0, 100).or_default(1.0),
      runner::arg("paths", paths, "random paths").range(1, 1'000'000'000).or_default(100'000),
      runner::arg("seed", seed, "another seed gives other paths").or_default(1));
  }
};

struct Price {
  double value{};
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(value));
  }
};

// A European call without interest, by Monte Carlo over geometric Brownian motion (Boyle 1977).
Price price(const PriceArgs& args, runner::JobContext&) {
  std::mt19937_64 random(args.seed);
  std::normal_distribution<double> normal;
  const double drift = -0.5 * args.volatility * args.volatility * args.years;
  const double spread = args.volatility * std::sqrt(args.years);
  double sum = 0;
  for (std::uint64_t i = 0; i < args.paths; ++i) {
    sum += std::max(0.0, args.spot * std::exp(drift + spread * normal(random)) - args.strike);
  }
  return {sum / static_cast<double>(args.paths)};
}

RUNNER_JOB("price", price, "Prices a European call by Monte Carlo.")
