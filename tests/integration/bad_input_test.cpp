// Mistakes of a person: one message, exit 2, nothing has run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

struct Mistake {
  const char* what;
  std::vector<std::string> arguments;
  const char* message;
};
void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.what; }

class Mistakes : public testing::TestWithParam<Mistake> {};

TEST_P(Mistakes, GetOneMessageAndExitTwo) {
  const Folder folder;
  folder.write("good.yaml", "version: 1\njobs: [{shell: \"touch ran\"}]\n");
  folder.write("late.yaml", "version: 1\njobs: [{shell: \"touch ran\"}, {kind: primes, args: {limit: x}}]\n");
  folder.write(
      "glob.yaml",
      "version: 1\njobs: [{shell: \"touch ran\"}, {command: [wc, \"${{ f }}\"], matrix: {f: {glob: \"*.nothing\"}}}]\n");
  folder.write("unreadable.yaml", "version: 1\n");
  std::filesystem::create_directory(folder.path() / "folder");
  std::filesystem::create_directory(folder.path() / "folder.jsonl");
  const Ended ended = folder.run(GetParam().arguments);
  EXPECT_EQ(ended.status, 2) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr(GetParam().message));
  EXPECT_THAT(ended.out, IsEmpty());
  EXPECT_LE(std::count(ended.err.begin(), ended.err.end(), '\n'), 2) << ended.err;
  EXPECT_FALSE(folder.exists("ran")) << "something ran";
  EXPECT_THAT(leftovers(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, Mistakes,
    testing::Values(
        Mistake{"no file", {}, "which batch file?"},
        Mistake{"no such file", {"no.yaml"}, "no.yaml: the batch file cannot be opened: No such file"},
        Mistake{"a folder", {"folder"}, "folder: this is a folder; a batch file was expected"},
        Mistake{"two files", {"good.yaml", "late.yaml"}, "`late.yaml` is one argument too many"},
        Mistake{"zero procs",
                {"--procs", "0", "good.yaml"},
                "`0` must be a whole number from 1 to 1024, as many as one master has places for; this machine has"},
        Mistake{"too many procs", {"--procs", "100000", "good.yaml"}, "`100000` must be a whole number from 1 to 1024"},
        Mistake{"negative procs", {"--procs", "-1", "good.yaml"}, "`-1` must be a whole number"},
        Mistake{"procs of words", {"--procs", "many", "good.yaml"}, "`many` must be a whole number"},
        Mistake{"procs without a number", {"good.yaml", "--procs"}, "--procs"},
        Mistake{"an unknown option", {"--prcos", "8", "good.yaml"}, "there is no option `--prcos`; did you mean `--procs`?"},
        Mistake{"an unknown mode",
                {"--mode", "thread", "good.yaml"},
                "`thread` is none of processes, threads, async, serial; did you mean `threads`?"},
        Mistake{"transport of threads",
                {"--mode", "threads", "--transport", "pipe", "good.yaml"},
                "--transport is about worker processes"},
        Mistake{"a limit of results without a unit",
                {"--max-result", "64", "good.yaml"},
                "--max-result: `64` is no size; write a number"},
        Mistake{
            "a limit of results that nothing can meet", {"--max-result", "0MiB", "good.yaml"}, "`0MiB` would fail every job"},
        Mistake{"a limit of results that no pipe can carry",
                {"--max-result", "5GiB", "--transport", "pipe", "good.yaml"},
                "max_result is 5.00 GiB, and a pipe carries results of at most 3.00 GiB"},
        Mistake{"results of another kind", {"--results", "out.txt", "good.yaml"}, ".jsonl"},
        Mistake{"results in no folder", {"--results", "no/out.jsonl", "good.yaml"}, "no/out.jsonl"},
        Mistake{"results that are a folder", {"--results", "folder.jsonl", "good.yaml"}, "folder.jsonl"},
        Mistake{"a missing plug-in", {"--plugin", "./no.so", "good.yaml"}, "the plug-in `./no.so` cannot be opened"},
        Mistake{"a library that is no plug-in",
                {"--plugin", RUNNER_FOREIGN_LIBRARY, "good.yaml"},
                "is a shared library but no runner plug-in"},
        Mistake{
            "a plug-in of another version", {"--plugin", RUNNER_STALE_PLUGIN, "good.yaml"}, "was built for another version"},
        Mistake{"a mistake behind a good job", {"late.yaml"}, "late.yaml:2:59: `limit` must be a whole number, found `x`"},
        Mistake{"a glob without a match behind a good job", {"glob.yaml"}, "the glob `*.nothing` of `f` matches no file"},
        Mistake{"check of a bad file", {"check", "late.yaml"}, "late.yaml:2:59:"},
        Mistake{"check of nothing", {"check"}, "which batch file?"}, Mistake{"an unknown kind", {"kinds", "prims"}, "primes"}));

TEST(Mistakes, OnStandardInputAreShownAsSuch) {
  const Folder folder;
  const Ended ended = folder.run({"-"}, "version: 1\njobs: 7\n");
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, StartsWith("<stdin>:2:7: `jobs` must be a list"));
}

TEST(Mistakes, OfAnUnreadableFileNameTheReason) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const Folder folder;
  folder.write("secret.yaml", "version: 1\n");
  std::filesystem::permissions(folder.path() / "secret.yaml", std::filesystem::perms::none);
  EXPECT_THAT(folder.run({"secret.yaml"}).err, HasSubstr("Permission denied"));
}

TEST(Mistakes, OfACommandAreItsOwnFailure) {
  const Folder folder;
  folder.write("data.txt", "not a program\n");
  folder.write(
      "jobs.yaml",
      "version: 1\njobs:\n  - {name: missing, command: [no-such-program]}\n  - {name: not-executable, command: [./data.txt]}\n"
      "  - {name: a-folder, command: [/tmp]}\n  - {name: no-input, command: [cat], stdin: no-such-file}\n"
      "  - {name: no-cwd, command: [\"true\"], cwd: no-such-folder}\n  - {name: fine, command: [\"true\"]}\n");
  for (const char* mode : {"processes", "threads", "async", "serial"}) {
    const Ended ended = folder.run({"--mode", mode, "--progress", "none", "jobs.yaml"});
    EXPECT_EQ(ended.status, 1);
    EXPECT_THAT(ended.err, AllOf(HasSubstr("missing: the command `no-such-program` was not found in PATH"),
                                 HasSubstr("not-executable: `./data.txt` is not executable"), HasSubstr("a-folder: "),
                                 HasSubstr("no-such-file"), HasSubstr("no-such-folder"), HasSubstr("1 ok")))
        << mode;
  }
}

TEST(Mistakes, HugeAndHostileFilesEndQuickly) {
  const Folder folder;
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c <= 'z'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) bomb += std::string(i ? "," : "") + "*" + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  folder.write("bomb.yaml", bomb);
  folder.write("deep.yaml", "version: 1\njobs: " + std::string(1'000'000, '['));
  folder.write("long.yaml", "version: 1\nname: " + std::string(20'000'000, 'x') + "\njobs: 7\n");
  folder.write("nul.yaml", std::string("version: 1\n\0jobs: 7\n", 20));
  folder.write("binary.yaml", std::string("\x7f"
                                          "ELF\x02\x01\x01\0\0\0",
                                          10));
  for (const char* name : {"bomb.yaml", "deep.yaml", "long.yaml", "nul.yaml", "binary.yaml"}) {
    const Ended ended = folder.run({name});
    EXPECT_EQ(ended.status, 2) << name;
    EXPECT_THAT(ended.err, StartsWith(name));
    EXPECT_LT(ended.err.size(), 1000U) << name;
  }
}

}  // namespace
}  // namespace runner::integration
