// verdict.hpp - one line for a person on an attempt that did not end well.
//
// Called from  any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <runner/ids.hpp>
#include <runner/outcome.hpp>

namespace runner::report {

// "pi-731: crashed: SIGSEGV, after 0.21 s, 3rd attempt". Printable, without a line break.
[[nodiscard]] std::string verdict(std::string_view name, const Outcome& outcome, Attempt attempt);

// "a, b, c".
[[nodiscard]] std::string joined(const std::vector<std::string>& names);

}  // namespace runner::report
