// bad_batch.hpp - what is wrong in a batch file, and where.
//
// Called from  everything in config/: thrown at the place that found it, caught once at the edge (read_batch.cpp), where it
//              becomes `file:line:column: text`.
#pragma once

#include <string>
#include <utility>

#include <runner/value.hpp>

namespace runner::config {

struct BadBatch {
  Position at;  // line 0: the file as a whole
  std::string text;
};

[[noreturn]] inline void bad(Position at, std::string text) { throw BadBatch{at, std::move(text)}; }

}  // namespace runner::config
