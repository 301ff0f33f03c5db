// bad_batch.hpp - what is wrong in a batch file, or in a file that it names, and where.
//
// Called from  everything in config/: thrown at the place that found it, caught once at the edge (read_batch.cpp), where it
//              becomes `file:line:column: text`.
#pragma once

#include <string>
#include <utility>

#include <runner/value.hpp>

namespace runner::config {

struct BadBatch {
  Position at;  // line 0: the file as a whole; column 0: the line as a whole
  std::string text;
  std::string file = {};  // empty: the batch file itself

  // `FILE:LINE:COLUMN: text`, where `batch` stands for the batch file.
  [[nodiscard]] std::string message(const std::string& batch) const {
    std::string shown = file.empty() ? batch : file;
    if (at.line != 0) shown += ":" + std::to_string(at.line);
    if (at.line != 0 && at.column != 0) shown += ":" + std::to_string(at.column);
    return shown + ": " + text;
  }
};

[[noreturn]] inline void bad(Position at, std::string text) { throw BadBatch{at, std::move(text)}; }

}  // namespace runner::config
