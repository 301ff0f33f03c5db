// cgroups.hpp - the control groups that limit this process: its own and every ancestor's, of both versions.
//
// Called from  any thread, at start.
// Owns         nothing.
// Fails with   nothing: a file that is missing or unreadable sets no limit.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <runner/units.hpp>

namespace runner::master {

// Gives a file's content, or nothing. Tests have their own.
using ReadFile = std::function<std::optional<std::string>(const std::string& path)>;
[[nodiscard]] std::optional<std::string> read_file(const std::string& path);

struct CgroupFolder {
  std::string path;
  int version = 2;
};
// Where files of `controller` ("cpu", "memory") may be; some of the folders may not exist.
[[nodiscard]] std::vector<CgroupFolder> cgroup_folders(std::string_view controller, const ReadFile& read);

// The tightest of the limits of memory; nothing: there is none.
[[nodiscard]] std::optional<Bytes> cgroup_memory_limit(const ReadFile& read = &read_file);

}  // namespace runner::master
