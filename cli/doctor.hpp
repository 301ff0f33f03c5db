// doctor.hpp - `runner doctor`: what a run would find on this machine, what it would use of that, and why.
//
// Called from  main.
// Owns         nothing. Starts nothing.
// Fails with   nothing but standard output: what cannot be found out is said to be unknown.
#pragma once

#include "cli/options.hpp"

namespace runner::cli {

[[nodiscard]] int examine(const DoctorOptions& options);

}  // namespace runner::cli
