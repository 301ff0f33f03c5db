// `runner exec`: a command for each argument.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Ended exec(const Folder& folder, std::vector<std::string> arguments, const std::string& input = {}) {
  arguments.insert(arguments.begin(), {"exec", "--progress", "none", "--keep-order"});
  return folder.run(arguments, input);
}

TEST(Exec, KeepsEveryArgumentOneWordInEveryMode) {
  const Folder folder;
  const std::vector<std::string> hostile{"two words", "it's", "\"quoted\"",  "$(touch ran)", "`touch ran`", "-n",   "*", "a\nb",
                                         "",          "#no",  "x;touch ran", "\\",           "~",           "\xff", "!"};
  for (const char* mode : {"processes", "threads", "async", "serial"}) {
    for (const std::string command : {"printf '<%s>' {}", "printf \"<%s>\" \"{}\"; :", "x={}; printf '<%s>' \"$x\"",
                                      "printf '<%s>' \"$(printf %s {})\"", "printf '<%s>' '{}' | cat"}) {
      std::vector<std::string> arguments{"--mode", mode, command, ":::"};
      std::string expected;
      for (const std::string& word : hostile) {
        arguments.push_back(word);
        expected += "<" + word + ">";
      }
      const Ended ended = exec(folder, arguments);
      EXPECT_EQ(ended.status, 0) << ended.err;
      EXPECT_EQ(ended.out, expected) << mode << ": " << command;
    }
  }
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Exec, StartsJobsBeforeStandardInputEnds) {
  const Folder folder;
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  const int pipe = ::open((folder.path() / "pipe").c_str(), O_RDWR | O_CLOEXEC);
  Running running(folder, words({"exec", "--progress", "none", "touch"}), {},
                  [] { ::dup2(::open("pipe", O_RDONLY), STDIN_FILENO); });
  ASSERT_EQ(::write(pipe, "first\n", 6), 6);
  EXPECT_TRUE(eventually([&] { return folder.exists("first"); }));
  ASSERT_EQ(::write(pipe, "last", 4), 4);
  ::close(pipe);
  EXPECT_EQ(running.wait().status, 0);
  EXPECT_TRUE(folder.exists("last"));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Exec, HasTheExitStatusResultsRetriesAndLimitsOfARun) {
  const Folder folder;
  const Ended failed = exec(folder, {"--results", "out.jsonl", "--retries", "1", "exit {}", ":::", "0", "3"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, HasSubstr("failed: exit-2: exit status 3"));
  EXPECT_THAT(folder.read("out.jsonl"),
              AllOf(HasSubstr("\"job\":\"exit-1\""), HasSubstr("\"attempts\":2"), HasSubstr("\"exit_code\":3")));
  const Ended late = exec(folder, {"--timeout", "200ms", "sleep", ":::", "0", "60"});
  EXPECT_EQ(late.status, 1);
  EXPECT_THAT(late.err, HasSubstr("sleep-2: timed out"));
  const Ended crashed = exec(folder, {"kill -SEGV $$; :", ":::", "a"});
  EXPECT_THAT(crashed.err, HasSubstr("SIGSEGV"));
  EXPECT_EQ(exec(folder, {"true", ":::"}).status, 0) << "nothing to do is no failure";
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Exec, PrintsWhatWouldRunAsAScript) {
  const Folder folder;
  const Ended dry = exec(folder, {"--dry-run", "echo {} > {}.out", ":::", "a b", "it's"});
  EXPECT_EQ(dry.out, "echo 'a b' > 'a b'.out\necho 'it'\\''s' > 'it'\\''s'.out\n");
  EXPECT_FALSE(folder.exists("a b.out"));
  EXPECT_EQ(folder.run_other({"sh"}, dry.out).status, 0);
  EXPECT_EQ(folder.read("it's.out"), "it's\n");
}

TEST(Exec, GivesEachRunningJobASlotOfItsOwn) {
  for (const char* mode : {"processes", "threads", "async"}) {
    const Folder folder;
    // A slot that two jobs had at a time would be a folder that is there already.
    const Ended ended = exec(folder, {"--mode", mode, "-p", "3", "mkdir {%} && sleep 0.01; echo {%}; rmdir {%}", ":::", "a",
                                      "b", "c", "d", "e", "f", "g", "h", "i"});
    EXPECT_EQ(ended.status, 0) << ended.err;
    for (const std::string& line : ended.sorted_lines()) EXPECT_THAT(line, testing::AnyOf("1", "2", "3"));
  }
  const Folder folder;
  EXPECT_EQ(exec(folder, {"--mode", "serial", "echo {%}", ":::", "a", "b"}).out, "1\n1\n");
}

TEST(Exec, SaysWhatIsWrongBeforeAnythingRuns) {
  const Folder folder;
  struct Case {
    std::vector<std::string> arguments;
    const char* message;
  };
  for (const Case& one : std::vector<Case>{
           {{"--prcos", "8", "touch", ":::", "ran"}, "there is no option `--prcos`; did you mean `--procs`?"},
           {{"touch", "{3}", ":::", "ran"}, "`{3}` stands for an input that does not exist; there is 1"},
           {{"touch", ":::+", "ran"}, "`:::+` goes in step with the input before it, and there is none; write `:::`"},
           {{"touch", "::::"}, "`::::` names no file"},
           {{"touch", ":::", "ran", "::::", "no-file"}, "the file `no-file` cannot be opened"},
           {{"touch", "::::", "."}, "`.` is a folder"},
           {{"touch", "::::", "-", "-"}, "standard input is named twice"},
           {{"touch", ":::", "ran", "::::", "-"}, "<stdin> can be read only once"},
           {{"touch `echo {}`", ":::", "ran"}, "write `$(...)` for backquotes"},
           {{"--timeout", "0s", "touch", ":::", "ran"}, "a timeout of 0 would end every job at once"},
           {{"--timeout", "soon", "touch", ":::", "ran"}, "`soon` is no duration"},
           {{"--retries", "-1", "touch", ":::", "ran"}, "--retries"}}) {
    const Ended ended = exec(folder, one.arguments, "ran\n");
    EXPECT_EQ(ended.status, 2) << one.message;
    EXPECT_THAT(ended.err, AllOf(StartsWith("runner: "), HasSubstr(one.message)));
    EXPECT_FALSE(folder.exists("ran")) << one.message;
  }
}

TEST(Exec, SaysWhatIsWrongWithStandardInput) {
  const Folder folder;
  const auto with_input = [&](const char* path, int flags) {
    return folder.run_other(words({"exec", "--progress", "none", "echo"}), {}, [=] {
      ::close(STDIN_FILENO);
      if (path != nullptr) ::dup2(::open(path, flags), STDIN_FILENO);
    });
  };
  const Ended in_folder = with_input("/tmp", O_RDONLY);
  EXPECT_EQ(in_folder.status, 2);
  EXPECT_THAT(in_folder.err, StartsWith("runner: standard input is a folder; a file was expected"));
  const Ended write_only = with_input("/dev/null", O_WRONLY);
  EXPECT_EQ(write_only.status, 1);
  EXPECT_THAT(write_only.err, HasSubstr("<stdin>:1: this cannot be read on: Bad file descriptor"));
  EXPECT_EQ(with_input(nullptr, 0).status, 0) << "closed: nothing to do";
}

TEST(Exec, StopsWhereAnArgumentCannotBeOneAndSaysWhatIsSafe) {
  const Folder folder;
  const Ended ended = exec(folder, {"echo"}, std::string("one\nt\0o\nthree\n", 14));
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("<stdin>:2: a NUL character cannot stand in an argument; with -0 each NUL ends an argument"),
                    HasSubstr("the run was stopped")));
}

TEST(Exec, TakesTheSameMemoryForInputOfAnyLength) {
  const Folder folder;
  folder.write(
      "peak.py",
      "import resource, subprocess, sys\n"
      "source = subprocess.Popen(['yes', 'argument'], stdout=subprocess.PIPE)\n"
      "subprocess.run([sys.argv[1], 'exec', '--dry-run', 'echo {}', ':::', 'a'], check=True, stdout=subprocess.DEVNULL)\n"
      "few = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
      "run = subprocess.Popen([sys.argv[1], 'exec', '--dry-run', 'echo {}'], stdin=source.stdout, stdout=subprocess.PIPE)\n"
      "for _ in range(1000000): run.stdout.readline()\n"
      "run.stdout.close()\n"
      "run.wait()\n"
      "source.kill()\n"
      "print(few, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n");
  const Ended ended = folder.run_other({"/usr/bin/python3", "peak.py", RUNNER_PROGRAM});
  std::istringstream peaks(ended.out);
  std::uint64_t few = 0, many = 0;
  peaks >> few >> many;
  EXPECT_GT(few, 0U) << ended.err;
  EXPECT_LT(many, few + 8 * 1024) << "KiB";
}

TEST(Exec, ExplainsItselfOnAScreen) {
  const Folder folder;
  const Ended ended = folder.run({"exec", "--help"});
  EXPECT_EQ(ended.status, 0);
  for (const char* word : {":::", "::::", ":::+", "--link", "--null", "--quote", "--timeout", "--retries", "--keep-order",
                           "--dry-run", "{/.}", "{%}"}) {
    EXPECT_THAT(ended.out, HasSubstr(word));
  }
  std::istringstream lines(ended.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
}

// ---- docs/from-parallel-xargs-make.md ----

// `code` of a cell, as a shell gets it.
std::string code_in(std::string cell) {
  for (std::size_t at = 0; (at = cell.find("\\|", at)) != std::string::npos;) cell.erase(at, 1);
  const std::size_t begin = cell.find('`'), end = cell.rfind('`');
  return begin == end ? std::string() : cell.substr(begin + 1, end - begin - 1);
}

std::vector<std::pair<std::string, std::string>> idioms() {
  std::ifstream page(RUNNER_SOURCE_DIR "/docs/from-parallel-xargs-make.md");
  std::vector<std::pair<std::string, std::string>> rows;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `")) continue;
    const std::size_t middle = line.find("` | `");
    if (middle == std::string::npos) {
      ADD_FAILURE() << "a row without two commands: " << line;
      continue;
    }
    rows.emplace_back(code_in(line.substr(0, middle + 1)), code_in(line.substr(middle + 3)));
  }
  return rows;
}

TEST(Idioms, OfParallelXargsAndMakePrintTheSameHere) {
  const auto rows = idioms();
  EXPECT_GE(rows.size(), 25U);
  std::string rules_yaml;
  {
    std::ifstream page(RUNNER_SOURCE_DIR "/docs/from-parallel-xargs-make.md");
    std::ostringstream text;
    text << page.rdbuf();
    const std::size_t begin = text.str().find("```yaml\n") + 8;
    rules_yaml = text.str().substr(begin, text.str().find("```", begin) - begin);
  }
  for (const auto& [theirs, ours] : rows) {
    const auto answer = [&](const std::string& command) {
      const Folder folder;
      std::filesystem::create_directory(folder.path() / "dir");
      std::filesystem::create_directory(folder.path() / "out");
      std::filesystem::create_directory(folder.path() / "bin");
      std::filesystem::create_symlink(RUNNER_PROGRAM, folder.path() / "bin" / "runner");
      folder.write("a.txt", "one\ntwo\n");
      folder.write("b.txt", "three\n");
      folder.write("dir/one.tar.gz", "");
      folder.write("dir/two.gz", "");
      folder.write("list", "p\nq\nr\n");
      folder.write("one", "p\n");
      folder.write("commands", "echo 1; echo 2\necho 'a  b'\n");
      folder.write("up.sh", "tr a-z A-Z < \"$1\" > \"$2\"\n");
      folder.write("rules.mk", "all: out/a.up out/b.up\nout/%.up: %.txt\n\tsh up.sh $< $@\n");
      folder.write("rules.yaml", rules_yaml);
      // GNU parallel asks to be cited, and keeps files below HOME.
      Ended ended = folder.run_other(
          {"sh", "-c", "HOME=$PWD; PATH=$PWD/bin:$PATH; export HOME PATH; unset MAKEFLAGS MAKELEVEL; " + command});
      EXPECT_EQ(ended.status, 0) << command << "\n" << ended.err;
      return ended.out;
    };
    const std::string printed = answer(ours);
    EXPECT_NE(printed, "") << ours;
    EXPECT_EQ(printed, answer(theirs)) << theirs << "\n" << ours;
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

}  // namespace
}  // namespace runner::integration
