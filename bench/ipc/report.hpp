// report.hpp - the figures for people and for programs.
//
// Called from  main.
// Fails with   cannot fail; who writes the text somewhere looks whether that worked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/ipc/machine.hpp"
#include "bench/ipc/mechanism.hpp"
#include "bench/ipc/results.hpp"
#include "bench/ipc/survey.hpp"

namespace runner::bench {

// What the figures are, one table by size, one by crew, and the remarks. At most 110 columns.
[[nodiscard]] std::string tables(const Results& results, const std::vector<std::string>& rows, const Plan& plan,
                                 const Processors& processors);

// {"machine": {...}, "remarks": [...], "results": [{"what", "mechanism", "bytes", "children", "placement", "median_s",
// "least_s", "most_s", "samples_s"}, ...]}; seconds per message.
[[nodiscard]] std::string json(const Results& results, const Facts& facts);

}  // namespace runner::bench
