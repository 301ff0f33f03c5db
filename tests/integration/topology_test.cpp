// Where jobs run, with how many threads, and how readily they step back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <string>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

// The lowest processor that this test may use.
int some_processor() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  int first = 0;
  while (!CPU_ISSET(static_cast<std::size_t>(first), &allowed)) ++first;
  return first;
}

const char* const kWhere =
    "version: 1\njobs:\n  - {name: where, shell: \"sed -n 's/Cpus_allowed_list:.//p' /proc/self/status\"}\n";

TEST(Bind, ToAListPutsJobsThere) {
  const Folder folder;
  folder.write("jobs.yaml", kWhere);
  const std::string processor = std::to_string(some_processor());
  const Ended ended = folder.run({"--bind", processor, "jobs.yaml"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, processor + "\n");
  EXPECT_THAT(ended.err, AllOf(HasSubstr("1 worker process (shm, spawn, each bound to one of processor " + processor + ")"),
                               Not(HasSubstr("though it was bound"))));
}

TEST(Bind, ToCachesAndNodesSaysWhatItFound) {
  const Folder folder;
  folder.write("jobs.yaml", kWhere);
  for (const char* level : {"l3", "numa"}) {
    const Ended ended = folder.run({"--bind", level, "jobs.yaml"});
    EXPECT_EQ(ended.status, 0);
    EXPECT_THAT(ended.err, testing::AnyOf(HasSubstr(", each bound to one of "), HasSubstr("none is known"))) << level;
  }
}

TEST(Bind, RefusesProcessorsThatThisProcessMayNotUse) {
  const Folder folder;
  folder.write("jobs.yaml", kWhere);
  const Ended ended = folder.run({"--bind", "1000-1001", "jobs.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("runner: --bind: this process may not use processor 1000; it may use "));
  EXPECT_THAT(folder.run({"--bind", "cores", "jobs.yaml"}).err, HasSubstr("`cores` is none of core, l3, numa, none"));
}

TEST(Bind, ReportsAWorkerThatWasMovedByItsFirstJob) {
  if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "one processor: there is nowhere to move to";
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: mover, shell: \"taskset -a -cp 0-1 $PPID\"}\n  - {name: after, kind: noop, needs: [mover]}\n");
  const Ended ended = folder.run({"--procs", "1", "--bind", "0", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("worker 0 may run on 0,1, though it was bound to 0\n"));
}

// ---- threads ----

class CapsInEachMode : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Topology, CapsInEachMode, testing::Values("processes", "threads", "async", "serial"),
                         [](const auto& mode) { return std::string(mode.param); });

TEST_P(CapsInEachMode, ThreadsOfLibrariesAreThoseOfTheJobsPlacesUnlessTheUserSaidSo) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: one, shell: \"echo one $OMP_NUM_THREADS $MKL_NUM_THREADS $RUNNER_CPUS\"}\n"
               "  - {name: wide, shell: \"echo wide $OMP_NUM_THREADS $MKL_NUM_THREADS $RUNNER_CPUS\", cpus: 3}\n"
               "  - {name: own, shell: \"echo own $OMP_NUM_THREADS $BLIS_NUM_THREADS\", cpus: 3, env: {OMP_NUM_THREADS: 9}}\n"
               "  - {name: mark, shell: \"env | grep -c RUNNER_THREAD_CAPS\", allow_failure: true}\n");
  // More places than any machine of these tests has processors, so that a place is worth one thread.
  const Ended ended = folder.run_other({"env", "-u", "OMP_NUM_THREADS", "MKL_NUM_THREADS=5", words({}).front(), "--procs",
                                        "1024", "--mode", GetParam(), "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("one 1 5 1\n"), HasSubstr("wide 3 5 3\n"), HasSubstr("own 9 3\n"), HasSubstr("0\n")));
}

TEST_P(CapsInEachMode, ATypedJobLearnsHowManyProcessorsItWasGiven) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs:\n  - {name: one, kind: given}\n  - {name: wide, kind: given, cpus: 3}\n");
  std::vector<std::string> arguments{"--procs",    "4",        "--mode",           GetParam(),
                                     "--no-store", "--plugin", RUNNER_TEST_PLUGIN, "jobs.yaml"};
  for (const char* transport : {"shm", "pipe"}) {
    const bool processes = std::string_view(GetParam()) == "processes";
    if (processes) arguments.insert(arguments.end(), {"--transport", transport});
    const Ended ended = folder.run(arguments);
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_THAT(ended.out, AllOf(HasSubstr("{\"job\":\"one\",\"result\":{\"cpus\":1}}\n"),
                                 HasSubstr("{\"job\":\"wide\",\"result\":{\"cpus\":3}}\n")));
  }
}

TEST(Caps, AreExplained) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs:\n  - {name: a, shell: \"true\", cpus: 2}\n");
  const Ended ended =
      folder.run_other({"env", "-u", "OMP_NUM_THREADS", "MKL_NUM_THREADS=5", words({}).front(), "explain", "jobs.yaml", "a"});
  EXPECT_THAT(ended.out,
              AllOf(HasSubstr("\nthreads     "), HasSubstr("OMP_NUM_THREADS"), HasSubstr("yours stay: MKL_NUM_THREADS")));
}

// ---- nice ----

TEST_P(CapsInEachMode, NiceIsThatOfTheJobs) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs:\n  - {name: a, command: [nice]}\n");
  EXPECT_EQ(folder.run({"--nice", "13", "--mode", GetParam(), "jobs.yaml"}).out, "13\n");
}

TEST(Nice, ThatIsNotAllowedIsSaidBeforeAnythingRuns) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs:\n  - {name: a, shell: touch ran}\n");
  EXPECT_THAT(folder.run({"--nice", "20", "jobs.yaml"}).err, HasSubstr("--nice"));
  if (::geteuid() == 0) {
    const std::string own = folder.run_other({"sh", "-c", "command -v setpriv"}).out;
    if (own.empty()) GTEST_SKIP() << "running as root, and setpriv is not there to become somebody else";
    const Ended ended = folder.run_other(
        {"setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice", words({}).front(), "--nice", "-5", "jobs.yaml"});
    EXPECT_EQ(ended.status, 2) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("--nice -5 is not allowed here: "));
  } else {
    EXPECT_EQ(folder.run({"--nice", "-5", "jobs.yaml"}).status, 2);
  }
  EXPECT_FALSE(folder.exists("ran"));
}

}  // namespace
}  // namespace runner::integration
