// Processes below one: found, named, stopped, ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>

#include "ipc/core_file.hpp"
#include "ipc/process_tree.hpp"
#include "master/oom_kills.hpp"
#include "tests/silence.hpp"
#include "tests/unit/records.hpp"

namespace runner::os {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A process that has `children` of its own, each with one more, all asleep, all deaf to TERM.
pid_t family(int children) {
  int ready[2];
  EXPECT_EQ(::pipe(ready), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::signal(SIGTERM, SIG_IGN);
    for (int i = 0; i < children; ++i) {
      if (::fork() != 0) continue;
      ::setsid();
      static_cast<void>(::fork());
      break;
    }
    static_cast<void>(!::write(ready[1], "x", 1));
    for (;;) ::pause();
  }
  ::close(ready[1]);
  char there = 0;
  for (int i = 0; i < 1 + 2 * children; ++i) EXPECT_EQ(::read(ready[0], &there, 1), 1);
  ::close(ready[0]);
  return pid;
}

TEST(ProcessTree, IsEndedWholeAndItsTopIsLeft) {
  const Silence silence;
  const pid_t top = family(10);
  std::array<Process, kNamed> found;
  EXPECT_EQ(end_processes(below(top), found), 20U);
  EXPECT_GT(found.back().pid, 0);
  EXPECT_EQ(::waitpid(top, nullptr, WNOHANG), 0) << "it is not below itself";
  EXPECT_EQ(end_processes(below(top)), 0U);
  ::kill(top, SIGKILL);
  EXPECT_EQ(::waitpid(top, nullptr, 0), top);
}

TEST(ProcessTree, OfThisProcessIsReapedButWhatSomebodyElseWaitsFor) {
  const Silence silence;
  const pid_t mine = family(0), theirs = family(0), self = ::getpid();
  Scope scope = below(self);
  scope.waited_for = theirs;
  EXPECT_EQ(end_processes(scope), 2U);
  EXPECT_EQ(::waitpid(mine, nullptr, WNOHANG), -1);
  int status = 0;
  EXPECT_EQ(::waitpid(theirs, &status, 0), theirs);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST(ProcessTree, OneThatIsStoppedHearsThatItIsToEnd) {
  const Silence silence;
  const pid_t child = ::fork();
  if (child == 0) {
    ::raise(SIGSTOP);
    for (;;) ::pause();
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  const pid_t self = ::getpid();
  EXPECT_EQ(ask_to_end(below(self)), 1U);
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(ProcessTree, NamesTheFirstAndCountsTheOthers) {
  std::array<Process, kNamed> found;
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i].pid = static_cast<pid_t>(100 + i);
    found[i].name = {'a', '\n', 'b', '\0'};
  }
  EXPECT_THAT(names_of(found, 0), IsEmpty());
  EXPECT_THAT(names_of(found, 2), ElementsAre("a?b (pid 100)", "a?b (pid 101)"));
  EXPECT_EQ(names_of(found, 42).back(), "and 32 more");
}

TEST(CoreName, IsToldWhereThePatternTellsIt) {
  EXPECT_EQ(core_name("core", false, 7, SIGSEGV), "core");
  EXPECT_EQ(core_name("core", true, 7, SIGSEGV), "core.7");
  EXPECT_EQ(core_name("/var/%p-%s%%", true, 7, SIGSEGV), "/var/7-11%");
  EXPECT_EQ(core_name("|/usr/bin/apport %p", false, 7, SIGSEGV), "");
  EXPECT_EQ(core_name("core.%t", false, 7, SIGSEGV), "");
}

TEST(CoreFile, IsOursAndNoOlderThanItsProcess) {
  const test::TempFolder folder;
  const std::string path = folder.file("core");
  const auto before = std::chrono::system_clock::now();
  EXPECT_FALSE(can_be_core(path, before)) << "nothing is there";
  std::ofstream(path) << "core";
  EXPECT_TRUE(can_be_core(path, before));
  EXPECT_FALSE(can_be_core(path, before + std::chrono::hours(1))) << "that of a process before it";
  EXPECT_FALSE(can_be_core("/", before - std::chrono::hours(1'000'000))) << "a folder";
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path.c_str(), 1, 1), 0);
    EXPECT_FALSE(can_be_core(path, before)) << "somebody else's";
  }
}

TEST(OomKills, AreCountedInTheCgroupOfEitherVersion) {
  std::string events = "low 0\noom 3\noom_kill 1\n";
  master::OomKills two([&](const std::string& path) -> std::optional<std::string> {
    if (path == "/proc/self/cgroup") return "0::/mine\n";
    if (path == "/sys/fs/cgroup/mine/memory.events") return events;
    return std::nullopt;
  });
  const TimePoint now{std::chrono::hours(1)};
  EXPECT_FALSE(two.take(now));
  events = "low 0\noom 3\noom_kill 2\n";
  EXPECT_TRUE(two.take(now));
  EXPECT_FALSE(two.take(now));
  std::string control = "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n";
  master::OomKills one([&](const std::string& path) -> std::optional<std::string> {
    if (path == "/proc/self/cgroup") return "4:memory:/mine\n";
    if (path == "/sys/fs/cgroup/memory/mine/memory.oom_control") return control;
    return std::nullopt;
  });
  EXPECT_FALSE(one.take(now));
  control = "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n";
  EXPECT_TRUE(one.take(now));
}

TEST(OomKills, ExplainOneDeathEachAndNoneThatComesMuchLater) {
  std::string events = "oom_kill 0\n";
  master::OomKills kills([&](const std::string& path) -> std::optional<std::string> {
    if (path == "/proc/self/cgroup") return "0::/mine\n";
    if (path == "/sys/fs/cgroup/mine/memory.events") return events;
    return std::nullopt;
  });
  const TimePoint now{std::chrono::hours(1)};
  events = "oom_kill 3\n";
  EXPECT_TRUE(kills.take(now));
  EXPECT_TRUE(kills.take(now + std::chrono::milliseconds(50))) << "two ended at once, and reaped one by one";
  EXPECT_FALSE(kills.take(now + std::chrono::seconds(5))) << "the third was somebody else's";
}

}  // namespace
}  // namespace runner::os
