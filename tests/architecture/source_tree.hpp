// source_tree.hpp - the project's own sources, line by line, for tests about their form.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace runner::architecture {

struct Source {
  std::string path;    // from the project's top: "ipc/slot.hpp"
  std::string folder;  // "ipc"
  std::vector<std::string> lines;
  [[nodiscard]] bool header() const { return path.ends_with(".hpp"); }
};

// All .hpp and .cpp of jobs ipc worker master config report cli.
[[nodiscard]] const std::vector<Source>& sources();

// The names between quotes or brackets of its #include lines.
[[nodiscard]] std::vector<std::string> includes(const Source& source);

}  // namespace runner::architecture
