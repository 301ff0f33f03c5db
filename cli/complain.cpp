#include "cli/complain.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "report/printable.hpp"

namespace runner::cli {

void complain(const Error& error) {
  std::string line = error.code == ErrorCode::bad_batch ? "" : "runner: ";
  line += report::printable(error.text) + "\n";
  if (error.code == ErrorCode::usage) line += "`runner --help` shows how it is used.\n";
  // Nobody is left to be told if this fails.
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace runner::cli
