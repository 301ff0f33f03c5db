// How many processors a process may really use, told from texts as the kernel writes them.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "master/usable_cpus.hpp"

namespace runner::master {
namespace {

using Files = std::map<std::string, std::string>;

std::uint32_t count(std::uint32_t affinity, const Files& files) {
  const UsableCpus usable = usable_cpus(affinity, [&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found != files.end() ? std::optional(found->second) : std::nullopt;
  });
  EXPECT_EQ(usable.affinity, affinity);
  return usable.count;
}

TEST(UsableCpus, AreThoseOfTheAffinityMaskWhereNoQuotaIsSet) {
  EXPECT_EQ(count(6, {}), 6U);
  EXPECT_EQ(count(6, {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "max 100000\n"}}), 6U);
  EXPECT_EQ(count(1, {{"/proc/self/cgroup", "0::/user.slice\n"}}), 1U);
}

TEST(UsableCpus, AreLimitedByTheTightestAncestorOfVersion2) {
  const std::string self = "0::/a/b/c\n";
  EXPECT_EQ(count(16, {{"/proc/self/cgroup", self}, {"/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n"}}), 4U);
  EXPECT_EQ(count(16, {{"/proc/self/cgroup", self},
                       {"/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n"},
                       {"/sys/fs/cgroup/a/cpu.max", "200000 100000\n"},
                       {"/sys/fs/cgroup/a/b/cpu.max", "800000 100000\n"}}),
            2U);
  EXPECT_EQ(count(16, {{"/proc/self/cgroup", self}, {"/sys/fs/cgroup/cpu.max", "300000 100000\n"}}), 3U)
      << "inside a container the namespace's root is all that can be seen";
}

TEST(UsableCpus, AreLimitedByTheTightestAncestorOfVersion1) {
  const std::string self = "12:memory:/x\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n";
  EXPECT_EQ(count(8, {{"/proc/self/cgroup", self},
                      {"/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n"},
                      {"/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n"}}),
            3U);
  EXPECT_EQ(count(8, {{"/proc/self/cgroup", self},
                      {"/sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "100000\n"},
                      {"/sys/fs/cgroup/cpu/docker/cpu.cfs_period_us", "100000\n"},
                      {"/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1\n"},
                      {"/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n"}}),
            1U);
}

TEST(UsableCpus, CountAPartOfAProcessorAsOneButNeverFewerThanOne) {
  const auto with = [](const std::string& quota) {
    return count(8, {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", quota}});
  };
  EXPECT_EQ(with("150000 100000\n"), 2U);
  EXPECT_EQ(with("10000 100000\n"), 1U);
  EXPECT_EQ(with("9000000 100000\n"), 8U) << "a quota adds no processors";
}

TEST(UsableCpus, IgnoreWhatCannotBeRead) {
  for (const char* quota : {"", "max", "100000", "100000 0\n", "x y\n", "100000 -5\n"}) {
    EXPECT_EQ(count(4, {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", quota}}), 4U) << quota;
  }
  EXPECT_EQ(count(4, {{"/proc/self/cgroup", "nonsense\n0::\n0::relative\n::\n"}}), 4U);
}

TEST(UsableCpus, OfThisProcessAreAtLeastOneAndAtMostItsAffinity) {
  const UsableCpus usable = usable_cpus();
  EXPECT_GE(usable.count, 1U);
  EXPECT_LE(usable.count, usable.affinity);
}

}  // namespace
}  // namespace runner::master
