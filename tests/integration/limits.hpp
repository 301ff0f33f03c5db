// limits.hpp - what a test does to a program just before it begins, so that the machine refuses it something.
//
// Called from  tests, as the `prepare` of a run: in the process that is about to become the program.
// Fails with   cannot_limit: the program does not begin, its exit status says so.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace runner::integration {

inline constexpr int kCannotLimit = 120;

// Soft and hard.
[[nodiscard]] std::function<void()> limited(__rlimit_resource resource, rlim_t most);

// The system call `number` fails with `error` from now on, here and in every child. What is not `number` passes.
[[nodiscard]] std::function<void()> without_call(long number, int error);

// As user `nobody` with at most `most` processes of that user (root is not limited).
[[nodiscard]] std::function<void()> with_processes(rlim_t most);

// A cgroup that a test makes for itself, where it may. Ends what is in it, and removes it.
class MemoryGroup {
 public:
  explicit MemoryGroup(std::uint64_t bytes);
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  // Empty: it is there. Else why not.
  [[nodiscard]] const std::string& why_not() const { return why_not_; }
  [[nodiscard]] std::function<void()> joined() const;

 private:
  std::string path_, why_not_;
};

}  // namespace runner::integration
