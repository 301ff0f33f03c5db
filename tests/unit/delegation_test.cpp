// Whether groups can be made below our own, told from a tree of control groups that is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "master/delegation.hpp"

namespace runner::master {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

using Files = std::map<std::string, std::string>;

Delegation found(const Files& files, const std::set<std::string>& writable) {
  return delegation({[&](const std::string& path) -> std::optional<std::string> {
                       const auto file = files.find(path);
                       return file == files.end() ? std::nullopt : std::optional(file->second);
                     },
                     [&](const std::string& path) { return writable.contains(path); }});
}

const std::string kOwn = "/sys/fs/cgroup/user/scope";
const Files kScope{{"/proc/self/cgroup", "0::/user/scope\n"},
                   {kOwn + "/cgroup.controllers", "cpu memory pids\n"},
                   {kOwn + "/cgroup.type", "domain\n"},
                   {kOwn + "/cgroup.subtree_control", "memory pids\n"}};
const std::set<std::string> kAll{kOwn, kOwn + "/cgroup.procs", kOwn + "/cgroup.kill"};

TEST(Delegation, IsThereWhereItsFolderMayBeWritten) {
  const Delegation scope = found(kScope, kAll);
  EXPECT_EQ(scope.folder, kOwn);
  EXPECT_TRUE(scope.groups);
  EXPECT_TRUE(scope.memory);
  EXPECT_THAT(scope.why_none + scope.no_memory, IsEmpty());
}

TEST(Delegation, IsNotWhereItMayOnlyBeRead) {
  const Delegation scope = found(kScope, {});
  EXPECT_FALSE(scope.groups || scope.memory);
  EXPECT_THAT(scope.why_none, HasSubstr("nobody has delegated " + kOwn));
}

TEST(Delegation, OfMemorySaysWhatIsMissing) {
  Files files = kScope;
  files[kOwn + "/cgroup.subtree_control"] = "pids\n";
  EXPECT_TRUE(found(files, kAll).groups);
  EXPECT_FALSE(found(files, kAll).memory);
  EXPECT_THAT(found(files, kAll).no_memory, HasSubstr("not handed on to groups below"));
  files[kOwn + "/cgroup.controllers"] = "hugetlb\n";
  EXPECT_EQ(found(files, kAll).no_memory, "memory is no controller of " + kOwn + ", these are: hugetlb");
}

TEST(Delegation, OfTheRootIsKnownByItsPressure) {
  const Files root{{"/proc/self/cgroup", "4:memory:/x\n0::/\n"}, {"/sys/fs/cgroup/unified/cgroup.controllers", "\n"}};
  const std::string folder = "/sys/fs/cgroup/unified";
  EXPECT_TRUE(found(root, {folder, folder + "/cgroup.procs", folder + "/cgroup.pressure"}).groups);
  const Delegation old = found(root, {folder, folder + "/cgroup.procs"});
  EXPECT_FALSE(old.groups);
  EXPECT_THAT(old.why_none, HasSubstr("no cgroup.kill"));
  EXPECT_THAT(old.no_memory, HasSubstr("it has none"));
}

TEST(Delegation, IsNowhereWithoutVersion2) {
  EXPECT_EQ(found({{"/proc/self/cgroup", "4:memory:/x\n"}}, {}).why_none, "no cgroup v2 is mounted");
}

}  // namespace
}  // namespace runner::master
