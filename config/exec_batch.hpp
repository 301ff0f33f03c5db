// exec_batch.hpp - `runner exec`: a command and where its arguments come from -> Batch. One job for each argument, or for each
// combination of arguments of several inputs.
//
// Called from  the main thread, before the engine is made.
// Owns         nothing; the Batch holds its own open files.
// Fails with   usage: what is wrong with the command line. bad_batch: what is wrong in a file of arguments, with its place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <runner/result.hpp>
#include <runner/units.hpp>
#include "config/read_batch.hpp"

namespace runner::config {

// One `:::` (values), or one file of `::::` (its lines).
struct Input {
  bool is_file = false;
  bool in_step = false;             // `:::+`: goes in step with the input before it; the shorter one ends both
  std::vector<std::string> values;  // of a file: one, its path; "-" is standard input
};

struct ExecSpec {
  std::vector<std::string> command;
  std::vector<Input> inputs;  // none: the lines of standard input
  bool link = false;          // all inputs go in step, and shorter ones begin again
  bool null = false;          // arguments in files end with NUL instead of a line break
  bool skip_blank = false;    // arguments of nothing but blanks make no job
  bool exact = false;         // the words are the command as it is: no shell
  Duration timeout{};
  std::uint32_t retries = 0;
};

[[nodiscard]] Result<CheckedBatch> exec_batch(const ExecSpec& spec);

}  // namespace runner::config
