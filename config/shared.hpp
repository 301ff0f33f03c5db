// shared.hpp - the section `shared:` of a batch file: what its jobs have in common.
//
//   genome: {file: genome.txt}    hits: {counter: 0}    grid: {bytes: 64MiB, writable: true}
//
// Called from  read_batch.cpp, before any entry of `jobs:`. Looks at the files, relative to the working directory, but keeps
//              none open.
// Fails with   BadBatch: a name that is no word, none or several of the forms, a file that cannot be mapped, a size of nothing.
#pragma once

#include <vector>

#include <runner/shared.hpp>
#include <runner/value.hpp>

namespace runner::config {

[[nodiscard]] std::vector<SharedSpec> read_shared(const Value& shared);

}  // namespace runner::config
