// Prices options on all processors, each call in a process that may crash without taking this one along.
#include <cmath>
#include <csignal>
#include <iostream>
#include <runner/process_pool.hpp>
#include <stdexcept>
#include <vector>

struct Option {  // plain numbers travel as they lie in memory; anything else needs a serialize(), as for cereal
  double spot, strike, volatility, years;
};

// A European call without interest (Black and Scholes 1973).
double price(const Option& option) {
  if (option.strike <= 0) std::raise(SIGSEGV);  // somebody's bug
  if (option.years < 0) throw std::invalid_argument("the option has ended");
  const auto normal = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  const double spread = option.volatility * std::sqrt(option.years);
  const double d = std::log(option.spot / option.strike) / spread + spread / 2;
  return option.spot * normal(d) - option.strike * normal(d - spread);
}

int main() {
  runner::ProcessPool pool;  // first of all: as many workers as there are processors

  std::vector<Option> options;
  for (int i = 0; i < 100'000; ++i) options.push_back({100, 80.0 + i % 40, 0.2, 1});
  const std::vector<double> prices = pool.map(price, options);  // in the order of the options
  std::cout << prices.size() << " prices, the first is " << prices[0] << "\n";

  runner::Future<double> one = pool.submit(price, Option{100, 100, 0.2, 1});
  std::cout << "at the money: " << one.get() << "\n";

  options[7].strike = 0;
  options[8].years = -1;
  const auto outcomes = pool.map_outcomes(price, options);  // what became of each
  int fine = 0;
  for (const auto& outcome : outcomes) {
    if (outcome) {
      ++fine;
    } else {
      std::cout << "option " << outcome.error().item() << ": " << outcome.error().what() << "\n";
    }
  }
  std::cout << fine << " are fine\n";
}
