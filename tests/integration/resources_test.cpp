// What jobs take of the machine, as a person meets it: processors, named resources, memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class TakingInEachMode : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Resources, TakingInEachMode, testing::Values("processes", "threads", "async", "serial"),
                         [](const auto& mode) { return std::string(mode.param); });

// A folder can be made once: whoever cannot make it has met another who holds the license.
TEST_P(TakingInEachMode, NoTwoJobsHoldTheSameLicenseAndABigJobHasThePlacesToItself) {
  const Folder folder;
  folder.write(
      "jobs.yaml",
      "version: 1\nresources: {license: 1, seat: 9}\ndefaults: {resources: {seat: 2}}\njobs:\n"
      "  - {name: small, shell: \"echo x > run-$RUNNER_SLOT; sleep 0.01; rm run-$RUNNER_SLOT\", matrix: {i: 1..12}}\n"
      "  - {name: licensed, shell: mkdir held && sleep 0.02 && rmdir held, resources: {license: 1}, matrix: {i: 1..6}}\n"
      "  - {name: big, shell: \"! ls run-* && ! ls held\", cpus: 4, matrix: {i: 1..3}}\n"
      "  - {name: last, shell: \"true\", needs: [\"big-*\"]}\n");
  const Ended ended = folder.run({"--procs", "4", "--mode", GetParam(), "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err << ended.out;
  EXPECT_THAT(ended.err, HasSubstr("22 jobs"));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Resources, FromAStreamAreCountedToo) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\nresources: {license: 1}\njobs:\n"
               "  - {name: licensed, shell: mkdir held && sleep 0.02 && rmdir held, resources: {license: 1}, matrix: {l: "
               "{lines: \"-\"}}}\n"
               "  - {name: big, shell: \"! ls held\", cpus: 2}\n");
  const Ended ended = folder.run({"--procs", "2", "jobs.yaml"}, "a\nb\nc\nd\n");
  EXPECT_EQ(ended.status, 0) << ended.err << ended.out;
  EXPECT_THAT(ended.err, HasSubstr("5 jobs"));
}

TEST(Resources, AJobThatCouldNeverStartIsRefusedBeforeAnythingRuns) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n  - {name: first, shell: touch ran}\n  - {name: big, shell: \"true\", cpus: 3}\n");
  const Ended ended = folder.run({"--procs", "2", "jobs.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_EQ(ended.err,
            "jobs.yaml:4:38: this job needs 3 CPUs, and no more than 2 places are there, so it could never start; give "
            "--procs "
            "3 or more, or the job fewer `cpus`\n");
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_EQ(folder.run({"--procs", "1", "--mode", "serial", "jobs.yaml"}).status, 0) << "there it has everything to itself";
}

TEST(Resources, ExplainSaysWhatAJobTakes) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\nresources: {license: 2, disk: 1}\njobs:\n"
               "  - {name: a, shell: \"true\", cpus: 3, resources: {license: 1}}\n  - {name: b, kind: noop}\n");
  EXPECT_THAT(folder.run({"explain", "jobs.yaml", "a"}).out, HasSubstr("takes       3 CPUs, 1 of 2 license\n"));
  EXPECT_THAT(folder.run({"explain", "jobs.yaml", "b"}).out, HasSubstr("takes       1 CPU\n"));
}

TEST(MemoryFree, StartsNothingWhileThereIsLessAndSaysSo) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs:\n  - {name: a, shell: touch ran}\n");
  // The machine has as much, but never free. /proc/meminfo says kB and means KiB.
  const std::string all = folder.run_other({"awk", "/MemTotal/ {printf \"%dKiB\", $2}", "/proc/meminfo"}).out;
  Running run(folder, words({"--memory-free", all, "jobs.yaml"}));
  EXPECT_TRUE(eventually([&] { return run.err_so_far().find("waiting for memory (") != std::string::npos; }));
  run.signal(SIGINT);
  const Ended ended = run.wait();
  EXPECT_EQ(ended.status, 130);
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(MemoryFree, RunsWhereThereIsEnoughAndRefusesWhatCanNeverBe) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs:\n  - {name: a, kind: noop, matrix: {i: 1..1000}}\n");
  EXPECT_EQ(folder.run({"--memory-free", "1MiB", "jobs.yaml"}).status, 0);
  const Ended never = folder.run({"--memory-free", "9999TiB", "jobs.yaml"});
  EXPECT_EQ(never.status, 2);
  EXPECT_THAT(never.err, AllOf(StartsWith("runner: --memory-free: `9999TiB` is more than there is ("),
                               HasSubstr("so no job could ever start")));
}

}  // namespace
}  // namespace runner::integration
