#include "ipc/thread_caps.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "ipc/os.hpp"

namespace runner::ipc {

ThreadCaps ThreadCaps::plan(std::uint32_t threads) {
  ThreadCaps caps;
  caps.threads = threads;
  for (const char* name : kThreadCaps) (std::getenv(name) == nullptr ? caps.ours : caps.theirs).emplace_back(name);
  return caps;
}

ThreadCaps ThreadCaps::of(std::string_view mark) {
  ThreadCaps caps;
  const auto [end, error] = std::from_chars(mark.data(), mark.data() + mark.size(), caps.threads);
  if (error != std::errc()) return caps;
  mark.remove_prefix(static_cast<std::size_t>(end - mark.data()));
  while (!mark.empty()) {
    mark.remove_prefix(1);
    const std::string_view name = mark.substr(0, mark.find(','));
    if (!name.empty()) caps.ours.push_back(name);
    mark.remove_prefix(name.size());
  }
  return caps;
}

Result<void> ThreadCaps::set() const {
  std::string mark = std::to_string(threads);
  const std::string value = mark;
  char before = ':';
  for (const std::string_view name : ours) {
    mark.append(1, std::exchange(before, ',')).append(name);
    if (::setenv(std::string(name).c_str(), value.c_str(), 1) != 0) return os::failure("limit the threads of jobs", "setenv");
  }
  if (::setenv(kMark, mark.c_str(), 1) != 0) return os::failure("limit the threads of jobs", "setenv");
  return {};
}

}  // namespace runner::ipc
