// The limits that a number of workers is sure to meet, told from numbers.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "master/cgroups.hpp"
#include "master/engines/room_for_workers.hpp"

namespace runner::master {
namespace {

TEST(RoomForWorkers, CountsTheirOpenFilesAndTellsHowManyWouldDo) {
  EXPECT_TRUE(enough_descriptors(8, 10, 60).has_value());
  const Result<void> enough = enough_descriptors(8, 10, 59);
  ASSERT_FALSE(enough.has_value());
  EXPECT_EQ(enough.error().code, ErrorCode::system);
  EXPECT_EQ(
      enough.error().text,
      "8 worker processes need 60 open files, and RLIMIT_NOFILE is 59: raise it with `ulimit -n`, or use at most 7 (--procs)");
  EXPECT_TRUE(enough_descriptors(7, 10, 59).has_value());
}

TEST(RoomForWorkers, NamesNoNumberWhereNotEvenOneHasRoom) {
  const Result<void> enough = enough_descriptors(1, 10, 5);
  ASSERT_FALSE(enough.has_value());
  EXPECT_EQ(enough.error().text, "1 worker process needs 25 open files, and RLIMIT_NOFILE is 5: raise it with `ulimit -n`");
}

TEST(RoomForWorkers, AddsUpTheMemoryThatTheyAreSureToNeed) {
  constexpr Bytes kOnce{std::uint64_t{4} << 20}, kEach{std::uint64_t{512} << 10};
  EXPECT_TRUE(enough_memory(1024, kOnce, kEach, std::nullopt).has_value());
  EXPECT_TRUE(enough_memory(28, kOnce, kEach, Bytes{std::uint64_t{32} << 20}).has_value());
  const Result<void> enough = enough_memory(29, kOnce, kEach, Bytes{std::uint64_t{32} << 20});
  ASSERT_FALSE(enough.has_value());
  EXPECT_EQ(
      enough.error().text,
      "29 worker processes need at least 33.0 MiB of memory, and the cgroup's memory.max is 32.0 MiB: raise it, or use fewer "
      "workers (--procs)");
}

std::optional<Bytes> limit(const std::map<std::string, std::string>& files) {
  return cgroup_memory_limit([&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found != files.end() ? std::optional(found->second) : std::nullopt;
  });
}

TEST(MemoryLimit, IsTheTightestOfTheOwnGroupAndItsAncestorsInBothVersions) {
  EXPECT_EQ(limit({}), std::nullopt);
  EXPECT_EQ(limit({{"/proc/self/cgroup", "0::/a/b\n"}, {"/sys/fs/cgroup/a/b/memory.max", "max\n"}}), std::nullopt);
  EXPECT_EQ(limit({{"/proc/self/cgroup", "0::/a/b\n"},
                   {"/sys/fs/cgroup/a/b/memory.max", "200\n"},
                   {"/sys/fs/cgroup/a/memory.max", "100\n"},
                   {"/sys/fs/cgroup/memory.max", "max\n"}}),
            Bytes{100});
  const std::string self = "9:memory:/x\n1:name=systemd:/\n";
  EXPECT_EQ(limit({{"/proc/self/cgroup", self}, {"/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "33554432\n"}}),
            Bytes{33554432});
  EXPECT_EQ(limit({{"/proc/self/cgroup", self}, {"/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n"}}),
            std::nullopt);
}

TEST(MemoryLimit, IgnoresWhatCannotBeRead) {
  for (const char* text : {"", "x", "-5", "\n"}) {
    EXPECT_EQ(limit({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", text}}), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace runner::master
