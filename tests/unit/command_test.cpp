// Programs: found or not, their streams, their group, their end.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "ipc/os.hpp"
#include "tests/silence.hpp"
#include "worker/command.hpp"

namespace runner::worker {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

CommandWork shell(const std::string& script) { return {{"/bin/sh", "-c", script}, "", "", {}}; }
Outcome run(const CommandWork& work) {
  return run_command(work, -1, [] { return Wish::go_on; });
}
std::string output_of(const CommandWork& work) {
  const Outcome outcome = run(work);
  EXPECT_TRUE(succeeded(outcome)) << describe(outcome);
  return outcome.out.text;
}
std::string failure_of(const CommandWork& work) {
  const Outcome outcome = run(work);
  const auto* failed = std::get_if<Failed>(&outcome.ending);
  return failed != nullptr ? failed->reason : "no failure: " + describe(outcome);
}
bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }
// Until the file has a whole line.
pid_t pid_in(const std::string& path) {
  for (;;) {
    std::ifstream file(path);
    std::string line;
    if (std::getline(file, line) && !file.eof()) return std::stoi(line);
    ::poll(nullptr, 0, 5);
  }
}

class CommandTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "runner-command-" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string file(const std::string& name, const std::string& content, bool executable = false) const {
    std::ofstream(path(name)) << content;
    if (executable) std::filesystem::permissions(path(name), std::filesystem::perms::owner_all);
    return path(name);
  }

  Silence silence_;
  std::string folder_;
};

TEST_F(CommandTest, GivesBackOutputExitStatusAndTimes) {
  const Outcome outcome = run(shell("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(outcome.out.text, "out\n");
  EXPECT_EQ(outcome.err.text, "err\n");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(describe(outcome), "exit status 3");
  EXPECT_GT(outcome.wall.count(), 0);
  EXPECT_TRUE(succeeded(run({{"true"}, "", "", {}})));
}

TEST_F(CommandTest, ThatDiesOfASignalHasCrashedAndHasNoExitStatus) {
  const Outcome outcome = run(shell("kill -SEGV $$"));
  EXPECT_EQ(std::get<Crashed>(outcome.ending).signal, SIGSEGV);
  EXPECT_FALSE(outcome.exit_code.has_value());
}

TEST_F(CommandTest, ListFormNeedsNoShellAndIsLookedUpInPath) {
  EXPECT_EQ(output_of({{"printf", "%s|", "a b", "", "$HOME", "*"}, "", "", {}}), "a b||$HOME|*|");
  file("mine", "#!/bin/sh\necho mine\n", true);
  EXPECT_EQ(output_of({{"mine"}, "", "", {{"PATH", "/nowhere:" + folder_}}}), "mine\n");
  EXPECT_EQ(output_of({{"./mine"}, "", folder_, {}}), "mine\n");
}

TEST_F(CommandTest, ReadsItsStdinFromTheFileOrFindsNone) {
  EXPECT_EQ(output_of({{"cat"}, file("in", "content"), "", {}}), "content");
  EXPECT_EQ(output_of({{"cat"}, "", "", {}}), "");
}

TEST_F(CommandTest, RunsInItsFolderWithItsVariablesAddedToOurs) {
  EXPECT_EQ(output_of({{"pwd"}, "", folder_, {}}), folder_ + "\n");
  ::setenv("RUNNER_TEST_OURS", "ours", 1);
  ::setenv("RUNNER_TEST_BOTH", "ours", 1);
  CommandWork work = shell("echo $RUNNER_TEST_OURS $RUNNER_TEST_BOTH $RUNNER_TEST_NEW");
  work.env = {{"RUNNER_TEST_BOTH", "its"}, {"RUNNER_TEST_NEW", "new"}};
  EXPECT_EQ(output_of(work), "ours its new\n");
  EXPECT_STREQ(::getenv("RUNNER_TEST_BOTH"), "ours");
  ::unsetenv("RUNNER_TEST_OURS");
  ::unsetenv("RUNNER_TEST_BOTH");
}

TEST_F(CommandTest, ThatCannotStartSaysWhy) {
  EXPECT_THAT(failure_of({{"no-such-program"}, "", "", {}}), HasSubstr("`no-such-program` was not found in PATH"));
  EXPECT_THAT(failure_of({{"/no/such/program"}, "", "", {}}), HasSubstr("`/no/such/program` does not exist"));
  EXPECT_THAT(failure_of({{folder_}, "", "", {}}), HasSubstr("is a folder, not a program"));
  EXPECT_THAT(failure_of({{file("plain", "text")}, "", "", {}}), HasSubstr("is not executable"));
  EXPECT_THAT(failure_of({{file("text", "text\n", true)}, "", "", {}}), HasSubstr("is not a program"));
  EXPECT_THAT(failure_of({{file("script", "#!/no/interpreter\n", true)}, "", "", {}}), HasSubstr("interpreter"));
  EXPECT_THAT(failure_of({{"true"}, "", "/no/such/folder", {}}), HasSubstr("`/no/such/folder` cannot be entered"));
  EXPECT_THAT(failure_of({{"true"}, "/no/such/input", "", {}}), HasSubstr("`/no/such/input` cannot be opened"));
  EXPECT_THAT(failure_of({{"true", std::string(3U << 20, 'x')}, "", "", {}}), HasSubstr("longer than the system allows"));
  EXPECT_THAT(failure_of({{}, "", "", {}}), HasSubstr("empty"));
  EXPECT_THAT(failure_of({{""}, "", "", {}}), HasSubstr("not found"));
}

TEST_F(CommandTest, MayWriteMoreThanAPipeHoldsToBothStreams) {
  const Outcome outcome = run(shell("i=0; while [ $i -lt 2000 ]; do printf %0100d $i; printf %0100d $i >&2; i=$((i+1)); done"));
  EXPECT_TRUE(succeeded(outcome));
  EXPECT_EQ(outcome.out.bytes, 200'000U);
  EXPECT_EQ(outcome.err.bytes, 200'000U);
}

TEST_F(CommandTest, KeepsLargeOutputInAFile) {
  const Outcome outcome = run(shell("head -c 3000000 /dev/zero"));
  EXPECT_EQ(outcome.out.bytes, 3'000'000U);
  EXPECT_TRUE(static_cast<bool>(outcome.out.spill));
  EXPECT_EQ(outcome.out.text.size(), Captured::kCaptureTail);
}

TEST_F(CommandTest, DoesNotWaitForAChildThatItLeftInTheBackgroundAndEndsIt) {
  const std::string pid_file = path("pid");
  const Outcome outcome = run(shell("echo before; sleep 1000 & echo $! > " + pid_file + "; exit 0"));
  EXPECT_TRUE(succeeded(outcome)) << describe(outcome);
  EXPECT_EQ(outcome.out.text, "before\n");
  const pid_t background = pid_in(pid_file);
  while (exists(background)) ::poll(nullptr, 0, 5);  // init reaps it
}

TEST_F(CommandTest, DoesNotWaitForAChildThatLeftItsGroup) {
  const std::string pid_file = path("pid");
  const Outcome outcome = run(shell("setsid sh -c 'echo $$ > " + pid_file + "; exec sleep 1000' & while ! [ -s " + pid_file +
                                    " ]; do sleep 0.01; done"));
  EXPECT_TRUE(succeeded(outcome)) << describe(outcome);
  const pid_t survivor = pid_in(pid_file);
  ::kill(survivor, SIGKILL);
  while (exists(survivor)) ::poll(nullptr, 0, 5);
}

TEST_F(CommandTest, IsEndedWithItsGroupWhenItIsAskedFor) {
  const UniqueFd bell(::eventfd(1, EFD_CLOEXEC));
  int asked = 0;
  const Outcome outcome =
      run_command(shell("sleep 1000 & sleep 1000"), bell.get(), [&] { return ++asked == 3 ? Wish::terminate : Wish::go_on; });
  EXPECT_EQ(std::get<Crashed>(outcome.ending).signal, SIGTERM);
  EXPECT_EQ(asked, 3) << "and not asked again";
}

TEST_F(CommandTest, ThatIgnoresTermIsKilled) {
  const UniqueFd bell(::eventfd(1, EFD_CLOEXEC));
  const std::string ready = path("ready");
  const Outcome outcome = run_command(shell("trap '' TERM; echo x > " + ready + "; while :; do sleep 1; done"), bell.get(),
                                      [&] { return std::filesystem::exists(ready) ? Wish::terminate : Wish::go_on; });
  EXPECT_EQ(std::get<Crashed>(outcome.ending).signal, SIGKILL);
}

TEST_F(CommandTest, FindsDefaultSignalsAndAnEmptyMaskWhateverOursAre) {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t usr1, before;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &usr1, &before);
  const std::string status = output_of({{"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}, "", "", {}});
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  // Of the masks only what has a name counts: the C library of whoever started the tests may ignore two of its own above.
  const std::size_t blocked = status.find("SigBlk:"), ignored = status.find("SigIgn:");
  ASSERT_NE(blocked, std::string::npos);
  ASSERT_NE(ignored, std::string::npos);
  constexpr std::uint64_t named = 0x7fff'ffff;
  EXPECT_EQ(std::stoull(status.substr(blocked + 7), nullptr, 16) & named, 0U) << status;
  EXPECT_EQ(std::stoull(status.substr(ignored + 7), nullptr, 16) & named, 0U) << status;
}

TEST_F(CommandTest, InheritsNoDescriptorOfOurs) {
  const UniqueFd ours(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  EXPECT_EQ(output_of(shell("ls -l /proc/$$/fd")).find(self), std::string::npos);
}

TEST_F(CommandTest, IsEndedWithItsObject) {
  const Result<std::unique_ptr<Command>> command = Command::start(shell("sleep 1000"));
  ASSERT_TRUE(command.has_value());
}

TEST_F(CommandTest, WhoseOutputCannotBeReadOrKeptFailsInsteadOfLosingIt) {
  os::faults::arm({.nth = 1, .error = EIO, .only = "read"});
  EXPECT_THAT(failure_of(shell("echo x; sleep 1000")), StartsWith("its output could not be kept"));
  os::faults::disarm();
  ::setenv("TMPDIR", "/no/such/folder", 1);
  EXPECT_THAT(failure_of(shell("head -c 3000000 /dev/zero; sleep 1000")), StartsWith("its output could not be kept"));
  ::unsetenv("TMPDIR");
}

}  // namespace
}  // namespace runner::worker
