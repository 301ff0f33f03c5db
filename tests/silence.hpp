// silence.hpp - proves that a test left nothing behind: no descriptor, no child, no mapping of a segment of ours.
//
//   const Silence silence;    // first line of a test; its end looks
//
// Called from  the test's only thread; what other threads open meanwhile counts as left behind.
// Never        reaps a child: a zombie is a failure, not something to tidy up.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace runner {

class Silence {
 public:
  Silence() : descriptors_(descriptors()), segments_(segments()) {}
  ~Silence() {
    for (const std::string& one : descriptors()) EXPECT_TRUE(descriptors_.contains(one)) << "left open: " << one;
    EXPECT_EQ(segments(), segments_) << "a segment is still mapped";
    EXPECT_FALSE(has_child()) << "a child is left, running or as a zombie";
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

  // "7 -> /memfd:runner-in (deleted)"
  [[nodiscard]] static std::set<std::string> descriptors() {
    std::set<std::string> open;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string to = std::filesystem::read_symlink(entry.path(), gone).string();
      // The descriptor of this very listing has no link any more, or leads to the folder itself.
      if (gone || to.ends_with("/fd")) continue;
      open.insert(entry.path().filename().string() + " -> " + to);
    }
    return open;
  }
  [[nodiscard]] static std::size_t segments() {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) count += line.find("memfd:runner") != std::string::npos ? 1U : 0U;
    return count;
  }
  [[nodiscard]] static bool has_child() {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 || errno != ECHILD;
  }

 private:
  std::set<std::string> descriptors_;
  std::size_t segments_;
};

}  // namespace runner
