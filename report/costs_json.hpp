// costs_json.hpp - the object `costs`, the same wherever it stands: in --results, in the run store, in --costs and in reports.
//
// Seconds, and `sampled`: one in so many attempts has exact values. config/costs.schema.json has every key; docs/costs.md says what
// each is, and what to do about it.
//
// Called from  any thread.
// Owns         nothing.
// Fails with   cannot fail.
#pragma once

#include <string>

#include "master/sink.hpp"

namespace runner::report {

// Of one attempt: its eight spans. To be asked for only where it is `sampled`.
void append_costs(std::string& out, const master::AttemptCosts& costs);
// Of a run: worker_seconds, the sums of the spans, the uses of the workers that are no spans, and what is unaccounted for.
void append_costs(std::string& out, const master::Costs& costs);
// The whole document of --costs.
[[nodiscard]] std::string costs_document(const std::string& batch, const master::RunTotals& totals);

}  // namespace runner::report
