#include "ipc/core_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace runner::os {

namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::string core_name(std::string_view pattern, bool append_pid, pid_t process, int signal) {
  if (pattern.empty() || pattern.front() == '|') return {};
  std::string name;
  bool has_pid = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      name += pattern[i];
      continue;
    }
    switch (++i < pattern.size() ? pattern[i] : '\0') {
      case '%': name += '%'; break;
      case 'p':
      case 'P': has_pid = true; [[fallthrough]];
      case 'i':
      case 'I': name += std::to_string(process); break;
      case 's': name += std::to_string(signal); break;
      case 'u': name += std::to_string(::getuid()); break;
      case 'g': name += std::to_string(::getgid()); break;
      case 'h': {
        std::array<char, 256> host{};
        if (::gethostname(host.data(), host.size() - 1) != 0) return {};
        name += host.data();
        break;
      }
      default: return {};  // the time, the program, ...
    }
  }
  if (append_pid && !has_pid) name += "." + std::to_string(process);
  return name;
}

bool can_be_core(const std::string& path, std::chrono::system_clock::time_point began) {
  using std::chrono::nanoseconds;
  // The clock of files is some milliseconds behind.
  constexpr nanoseconds tolerance = std::chrono::milliseconds(20);
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) return false;
  const nanoseconds written = std::chrono::seconds(info.st_mtim.tv_sec) + nanoseconds(info.st_mtim.tv_nsec);
  return written + tolerance >= began.time_since_epoch();
}

std::string core_file(pid_t process, int signal, const std::string& folder, std::chrono::system_clock::time_point began) {
  const std::string name = core_name(first_line("/proc/sys/kernel/core_pattern"),
                                     first_line("/proc/sys/kernel/core_uses_pid") == "1", process, signal);
  if (name.empty()) return {};
  std::error_code unknown;
  std::filesystem::path path(name);
  if (path.is_relative()) path = std::filesystem::absolute(std::filesystem::path(folder) / path, unknown);
  if (unknown || !can_be_core(path.string(), began)) return {};
  return path.lexically_normal().string();
}

}  // namespace runner::os
