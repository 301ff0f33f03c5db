#include "cli/command_line.hpp"

#include <algorithm>

#include "config/shell_state.hpp"
#include "master/cgroups.hpp"

namespace runner::cli {

std::string command_line() { return quoted_words(master::read_file("/proc/self/cmdline").value_or("")); }

std::string quoted_words(std::string_view words) {
  std::string line;
  while (!words.empty()) {
    const std::size_t end = std::min(words.find('\0'), words.size());
    if (!line.empty()) line += ' ';
    line += config::shell_quoted(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return line;
}

}  // namespace runner::cli
