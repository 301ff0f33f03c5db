// machine.hpp - what a figure is worth nothing without: the machine, its load, and how the program was compiled.
//
// Called from  main, before and after the survey.
// Fails with   cannot fail: what cannot be read is "not told".
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/ipc/placement.hpp"

namespace runner::bench {

// What it is, and what it is here, in the order in which it is printed: {"kernel", "Linux 6.1.0"}.
using Facts = std::vector<std::pair<std::string, std::string>>;

[[nodiscard]] Facts machine(const Processors& processors);

// "0.08 0.11 0.15 (1, 5, 15 minutes)"
[[nodiscard]] std::string load();

}  // namespace runner::bench
