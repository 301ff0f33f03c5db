// How much memory a further process could have, from the texts of the kernel.
#include <gtest/gtest.h>

#include <map>

#include "master/free_memory.hpp"

namespace runner::master {
namespace {

using Files = std::map<std::string, std::string>;

ReadFile reader(Files files) {
  return [files = std::move(files)](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  };
}

const Files kMachine{{"/proc/meminfo", "MemTotal:       8000 kB\nMemFree:         100 kB\nMemAvailable:   3000 kB\n"}};

Files with(const Files& more) {
  Files files = kMachine;
  files.insert(more.begin(), more.end());
  return files;
}

TEST(FreeMemory, IsWhatTheKernelCallsAvailable) {
  EXPECT_EQ(free_memory(reader(kMachine))->count, 3000U * 1024);
  EXPECT_EQ(total_memory(reader(kMachine))->count, 8000U * 1024);
}

TEST(FreeMemory, IsWhatTheCgroupLeavesWhereThatIsLess) {
  const ReadFile files = reader(with({{"/proc/self/cgroup", "0::/a/b\n"},
                                      {"/sys/fs/cgroup/a/b/memory.max", "max\n"},
                                      {"/sys/fs/cgroup/a/b/memory.current", "7\n"},
                                      {"/sys/fs/cgroup/a/memory.max", "1000000\n"},
                                      {"/sys/fs/cgroup/a/memory.current", "900000\n"},
                                      {"/sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 50000\nactive_file 9\n"}}));
  EXPECT_EQ(free_memory(files)->count, 150'000U);
  EXPECT_EQ(total_memory(files)->count, 1'000'000U);
}

TEST(FreeMemory, ReadsTheOlderCgroupsToo) {
  const ReadFile files = reader(with({{"/proc/self/cgroup", "4:memory:/x\n"},
                                      {"/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "2000\n"},
                                      {"/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "2500\n"},
                                      {"/sys/fs/cgroup/memory/x/memory.stat", "total_inactive_file 100\n"},
                                      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
                                      {"/sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"}}));
  EXPECT_EQ(free_memory(files)->count, 0U);
}

TEST(FreeMemory, IsUnknownWhereNothingCanBeRead) { EXPECT_FALSE(free_memory(reader({}))); }

}  // namespace
}  // namespace runner::master
