// complain.hpp - the one way in which the program says on standard error that it cannot do what was asked.
#pragma once

#include <runner/result.hpp>

namespace runner::cli {

inline constexpr int kAllWell = 0, kNotAllWell = 1, kNothingRan = 2, kInterrupted = 130;

// A bad batch speaks for itself (`file:line:column: ...`, so that editors find it); everything else is ours.
void complain(const Error& error);

}  // namespace runner::cli
