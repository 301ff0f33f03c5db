// clock.hpp - the one clock of master and workers, CLOCK_MONOTONIC: a moment that one process noted can be compared in another.
#pragma once

#include <chrono>

#include <runner/units.hpp>

namespace runner {

[[nodiscard]] inline TimePoint now() { return std::chrono::steady_clock::now(); }

}  // namespace runner
