// Batches whose jobs come from files and standard input.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const char* const kModes[] = {"processes", "threads", "async", "serial"};

std::string batch(const std::string& job) { return "version: 1\njobs:\n  - " + job + "\n"; }

TEST(Sources, OfEveryFormMakeJobsInEveryMode) {
  const Folder folder;
  folder.write("names.txt", "a b\n$(touch ran)\nc");
  folder.write("sizes.csv", "limit,label\n10,ten\n20,\"twenty\"\n");
  folder.write("sizes.jsonl", "{\"limit\": 10}\n{\"limit\": 20}\n");
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: l, shell: \"echo ${{ x }}\", matrix: {x: {lines: names.txt}}}\n"
               "  - {name: \"c-${{ label }}\", kind: primes, matrix: {row: {csv: sizes.csv}}}\n"
               "  - {name: \"j-${{ row }}\", kind: primes, matrix: {row: {jsonl: sizes.jsonl}}}\n"
               "  - {name: z, command: [echo, \"${{ a }}-${{ b }}-${{ c }}\"], zip: {a: [1, 2, 3], b: {lines: names.txt}}, "
               "matrix: {c: [x]}}\n");
  for (const char* mode : kModes) {
    const Ended ended = folder.run({"--mode", mode, "--progress", "none", "jobs.yaml"});
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_THAT(ended.sorted_lines(),
                testing::UnorderedElementsAre(
                    "a b", "$(touch ran)", "c", "{\"job\":\"c-ten\",\"result\":{\"count\":4,\"largest\":7}}",
                    "{\"job\":\"c-twenty\",\"result\":{\"count\":8,\"largest\":19}}",
                    "{\"job\":\"j-1\",\"result\":{\"count\":4,\"largest\":7}}",
                    "{\"job\":\"j-2\",\"result\":{\"count\":8,\"largest\":19}}", "1-a b-x", "2-$(touch ran)-x", "3-c-x"));
    EXPECT_THAT(ended.err, HasSubstr("10 jobs"));
  }
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_EQ(folder.run({"check", "jobs.yaml"}).out, "jobs.yaml: ok, 10 jobs from 4 entries\n");
}

TEST(StandardInput, GivesJobsThatStartBeforeItEnds) {
  for (const char* mode : kModes) {
    const Folder folder;
    folder.write("jobs.yaml", batch("{shell: \"echo done >> ${{ x }}\", matrix: {x: {lines: \"-\"}}}"));
    ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
    const int pipe = ::open((folder.path() / "pipe").c_str(), O_RDWR | O_CLOEXEC);
    Running running(folder, words({"--mode", mode, "--procs", "4", "--progress", "none", "jobs.yaml"}), {},
                    [&] { ::dup2(::open("pipe", O_RDONLY), STDIN_FILENO); });
    for (const std::string name : {"first", "second"}) {
      ASSERT_GT(::write(pipe, (name + "\n").c_str(), name.size() + 1), 0);
      EXPECT_TRUE(eventually([&] { return folder.exists(name); })) << mode;
    }
    ASSERT_GT(::write(pipe, "last", 4), 0);
    ::close(pipe);
    const Ended ended = running.wait();
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_TRUE(folder.exists("last"));
    EXPECT_THAT(ended.err, HasSubstr("3 jobs"));
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(StandardInput, ThatStaysSilentLeavesTheRunInterruptible) {
  const Folder folder;
  folder.write("jobs.yaml", batch("{shell: \"echo done >> ${{ x }}\", matrix: {x: {lines: \"-\"}}}"));
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  const int pipe = ::open((folder.path() / "pipe").c_str(), O_RDWR | O_CLOEXEC);
  Running running(folder, words({"--progress", "none", "jobs.yaml"}), {},
                  [] { ::dup2(::open("pipe", O_RDONLY), STDIN_FILENO); });
  ASSERT_EQ(::write(pipe, "first\n", 6), 6);
  ASSERT_TRUE(eventually([&] { return folder.exists("first"); }));
  running.signal(SIGINT);
  const Ended ended = running.wait();
  EXPECT_EQ(ended.status, 130);
  EXPECT_THAT(ended.err, HasSubstr("1 job"));
  ::close(pipe);
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(StandardInput, OfAnyLengthTakesTheSameMemory) {
  const Folder folder;
  folder.write("jobs.yaml", batch("{kind: noop, matrix: {x: {lines: \"-\"}}}"));
  folder.write("peak.py",
               "import os, resource, subprocess, sys\n"
               // A sanitizer keeps what was freed for a while, and has to keep little of it here.
               "os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=1'\n"
               "source = subprocess.Popen(['seq', sys.argv[1]], stdout=subprocess.PIPE)\n"
               "subprocess.run([sys.argv[2], '--progress', 'none', '--no-store', 'jobs.yaml'], stdin=source.stdout, "
               "stdout=subprocess.DEVNULL, check=True)\n"
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n");
  const auto peak = [&](const char* lines) {
    const Ended ended = folder.run_other({"/usr/bin/python3", "peak.py", lines, RUNNER_PROGRAM});
    EXPECT_EQ(ended.status, 0) << ended.err;
    return std::stoull(ended.out);  // KiB
  };
  const std::uint64_t few = peak("1000"), many = peak("1000000");
  EXPECT_LT(many, few + 8 * 1024) << "a million lines are 7 MB of text";
}

TEST(StandardInput, IsReadByOneOnly) {
  const Folder folder;
  folder.write(
      "two.yaml",
      "version: 1\njobs:\n  - {kind: noop, matrix: {x: {lines: \"-\"}}}\n  - {kind: noop, matrix: {y: {csv: \"-\"}}}\n");
  folder.write("later.yaml", batch("{kind: noop, matrix: {a: [1, 2], x: {lines: \"-\"}}}"));
  EXPECT_THAT(folder.run({"two.yaml"}, "a\n").err,
              HasSubstr("two.yaml:4:30: `y` reads standard input, and so does `x` in line 3; it can be read only once"));
  EXPECT_THAT(folder.run({"later.yaml"}, "a\n").err,
              HasSubstr("later.yaml:3:41: standard input or a pipe can be read only once"));
  EXPECT_THAT(folder.run({"-"}, batch("{kind: noop, matrix: {x: {lines: \"-\"}}}")).err,
              HasSubstr("and so does the batch file itself"));
}

TEST(ABadRow, NearTheBeginningOfAFileIsFoundBeforeAnythingRuns) {
  const Folder folder;
  folder.write("rows.csv", "limit\n1\n2\nthree\n");
  folder.write("jobs.yaml",
               "version: 1\njobs:\n  - {shell: \"touch ran\"}\n  - {kind: primes, matrix: {row: {csv: rows.csv}}}\n");
  const Ended ended = folder.run({"jobs.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_EQ(ended.err, "rows.csv:4: `limit` must be a whole number, found `three`\n");
  EXPECT_FALSE(folder.exists("ran"));
}

TEST(ABadRow, FarBehindStopsTheRunWithItsPlaceAndWhatIsSafe) {
  const Folder folder;
  {
    std::ofstream rows(folder.path() / "rows.csv");
    rows << "limit,x\n";
    for (int i = 0; i < 150'000; ++i) rows << "1,2\n";
    rows << "1\n1,2\n";
  }
  folder.write("jobs.yaml", batch("{kind: primes, matrix: {row: {csv: rows.csv}}}"));
  const Ended ended = folder.run({"--progress", "none", "--results", "out.csv", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  const std::string told = "rows.csv:150002: this row has 1 field, and the first line names 2 columns; the run was stopped, ";
  ASSERT_THAT(ended.err, HasSubstr(told));
  const auto safe = std::stol(ended.err.substr(ended.err.find(told) + told.size()));
  EXPECT_GT(safe, 100'000) << "only what was not started is left out";
  const std::string results = folder.read("out.csv");
  EXPECT_EQ(std::count(results.begin(), results.end(), '\n'), safe + 1) << "all that is said to be safe, below a header";
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(KeysInStep, OfDifferentLengthsAreNamedBoth) {
  const Folder folder;
  folder.write("three.txt", "1\n2\n3\n");
  folder.write("lists.yaml", batch("{kind: noop, zip: {a: [1, 2], b: 1..3}}"));
  folder.write("file.yaml", batch("{kind: noop, zip: {a: [1, 2], b: {lines: three.txt}}}"));
  folder.write("late.yaml", batch("{kind: noop, zip: {a: [1, 2], b: {lines: \"-\"}}}"));
  EXPECT_THAT(folder.run({"lists.yaml"}).err,
              HasSubstr("lists.yaml:3:38: the keys of `zip` go in step, but `a` has 2 values and `b` has 3 values"));
  const Ended ended = folder.run({"file.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("`a` has 2 values and `b` has more"));
  const Ended late = folder.run({"--progress", "none", "late.yaml"}, "1\n2\n3\n");
  EXPECT_EQ(late.status, 1);
  EXPECT_THAT(late.err, AllOf(HasSubstr("`a` has 2 values and `b` has more"), HasSubstr("(with <stdin>:3)"),
                              HasSubstr("the run was stopped")));
}

TEST(Names, FromFilesAreTriedAndFromStreamsProved) {
  const Folder folder;
  folder.write("same.txt", "a\nb\na\n");
  folder.write("file.yaml", batch("{name: \"n-${{ x }}\", kind: noop, matrix: {x: {lines: same.txt}}}"));
  folder.write("stream.yaml", batch("{name: \"n-${{ x }}\", kind: noop, matrix: {x: {lines: \"-\"}}}"));
  folder.write("row.yaml", batch("{name: \"n-${{ row }}\", kind: noop, matrix: {row: {csv: \"-\"}}}"));
  EXPECT_THAT(folder.run({"file.yaml"}).err,
              HasSubstr("file.yaml:3:12: two jobs of this matrix (number 1 and 3) would both be called `n-a`"));
  const Ended stream = folder.run({"stream.yaml"}, "a\nb\n");
  EXPECT_EQ(stream.status, 2);
  EXPECT_THAT(stream.err, HasSubstr("the name `n-${{ x }}` might be given to two jobs"));
  EXPECT_EQ(folder.run({"--dry-run", "row.yaml"}, "a,b\n1,2\n1,2\n").out, "n-1: noop {}\nn-2: noop {}\n");
}

TEST(AnEmptyFile, MakesNoJobs) {
  const Folder folder;
  folder.write("empty.txt", "");
  folder.write("jobs.yaml", batch("{command: [echo, \"${{ x }}\", \"${{ y }}\"], matrix: {y: [1, 2], x: {lines: empty.txt}}}"));
  const Ended ended = folder.run({"--progress", "none", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "");
}

}  // namespace
}  // namespace runner::integration
