#include "tests/architecture/source_tree.hpp"

#include <algorithm>
#include <fstream>

namespace runner::architecture {

const std::vector<Source>& sources() {
  static const std::vector<Source> all = [] {
    std::vector<Source> found;
    const std::filesystem::path top = RUNNER_SOURCE_DIR;
    for (const char* folder : {"jobs", "ipc", "worker", "master", "config", "report", "cli"}) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(top / folder)) {
        const std::string extension = entry.path().extension().string();
        if (extension != ".hpp" && extension != ".cpp") continue;
        Source source{std::filesystem::relative(entry.path(), top).string(), folder, {}};
        std::ifstream file(entry.path());
        for (std::string line; std::getline(file, line);) source.lines.push_back(line);
        found.push_back(std::move(source));
      }
    }
    std::sort(found.begin(), found.end(), [](const Source& a, const Source& b) { return a.path < b.path; });
    return found;
  }();
  return all;
}

std::vector<std::string> includes(const Source& source) {
  std::vector<std::string> names;
  for (const std::string& line : source.lines) {
    if (!line.starts_with("#include ")) continue;
    const std::size_t open = line.find_first_of("\"<"), close = line.find_last_of("\">");
    if (open != std::string::npos && close > open) names.push_back(line.substr(open + 1, close - open - 1));
  }
  return names;
}

}  // namespace runner::architecture
