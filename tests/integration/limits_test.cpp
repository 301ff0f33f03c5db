// What a machine allows too little of: an error that names the limit and what to change, before any job is lost; never a signal,
// never a hang.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/integration/limits.hpp"
#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

using Model = std::vector<std::string>;

std::string model_name(const testing::TestParamInfo<Model>& model) {
  std::string name;
  for (const std::string& word : model.param) name += word.starts_with("--") ? "" : word;
  return name;
}

// Runs batches of 400 short jobs on worker processes.
class Limit : public testing::TestWithParam<Model> {
 protected:
  void SetUp() override { folder_.write("jobs.yaml", "version: 1\njobs: [{name: n, kind: noop, matrix: {i: 1..400}}]\n"); }
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }
  Ended run(const std::string& procs, const std::function<void()>& prepare, const std::string& batch = "jobs.yaml") {
    std::filesystem::remove(folder_.path() / "r.jsonl");
    Model arguments{"--procs", procs, "--progress", "none", "--no-store", "--results", "r.jsonl", batch};
    arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
    return folder_.run_other(words(arguments), {}, prepare);
  }
  // Statuses by job; each has one record.
  std::map<std::string, std::string> results() {
    std::map<std::string, std::string> all;
    std::istringstream lines(folder_.read("r.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto record = nlohmann::json::parse(line);
      EXPECT_TRUE(all.emplace(record["job"], record["status"]).second) << line;
    }
    return all;
  }
  // Either everything ran, or nothing did and one line says why.
  void expect_all_or_nothing(const Ended& ended, const testing::Matcher<std::string>& why) {
    if (ended.status == 0) {
      EXPECT_EQ(results().size(), 400U);
    } else {
      expect_nothing(ended, why);
    }
  }
  void expect_nothing(const Ended& ended, const testing::Matcher<std::string>& why) {
    EXPECT_EQ(ended.status, 1) << ended.err;
    EXPECT_THAT(ended.err, why);
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_THAT(ended.out, IsEmpty());
    EXPECT_THAT(folder_.read("r.jsonl"), IsEmpty());
  }
  Folder folder_;
};

INSTANTIATE_TEST_SUITE_P(Of, Limit,
                         testing::Values(Model{"--transport", "shm", "--start", "spawn"},
                                         Model{"--transport", "shm", "--start", "fork"},
                                         Model{"--transport", "pipe", "--start", "spawn"},
                                         Model{"--transport", "pipe", "--start", "fork"}),
                         model_name);

// ---- open files ----

TEST_P(Limit, OfOpenFilesIsNamedBeforeTheFirstWorker) {
  expect_nothing(run("8", limited(RLIMIT_NOFILE, 20)),
                 AllOf(HasSubstr("8 worker processes need "), HasSubstr("RLIMIT_NOFILE is 20: raise it with `ulimit -n`")));
}

TEST_P(Limit, OfOpenFilesTellsANumberOfWorkersThatWorks) {
  const Ended ended = run("100", limited(RLIMIT_NOFILE, 90));
  const std::string words = "or use at most ";
  const std::size_t at = ended.err.find(words);
  ASSERT_NE(at, std::string::npos) << ended.err;
  const std::string possible = ended.err.substr(at + words.size(), ended.err.find(' ', at + words.size()) - at - words.size());
  const Ended again = run(possible, limited(RLIMIT_NOFILE, 90));
  EXPECT_EQ(again.status, 0) << possible << again.err;
  EXPECT_EQ(results().size(), 400U);
}

TEST_P(Limit, OfOpenFilesNeverLosesAJobWhateverItIs) {
  for (const rlim_t files : {5U, 6U, 8U, 10U, 13U, 16U, 20U, 22U, 24U, 25U, 26U, 27U, 28U, 29U, 30U, 31U, 32U, 34U, 40U, 64U}) {
    if (kSanitized && files < 10) continue;
    SCOPED_TRACE(files);
    expect_all_or_nothing(run("2", limited(RLIMIT_NOFILE, files)), HasSubstr("RLIMIT_NOFILE"));
  }
}

TEST(Workers, ManyMoreThanThereAreFilesForAreRefusedAtOnce) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..5000}}]\n");
  const Ended ended = folder.run_other(words({"--procs", "1024", "jobs.yaml"}), {}, limited(RLIMIT_NOFILE, 256));
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("1024 worker processes need "), HasSubstr("RLIMIT_NOFILE is 256"), HasSubstr("use at most 4")));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Workers, MoreThanAMasterHasPlacesForAreRefusedWithTheLargestNumber) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop}]\n");
  for (const char* mode : {"processes", "threads", "async", "serial"}) {
    const Ended ended = folder.run({"--mode", mode, "--procs", "100000", "jobs.yaml"});
    EXPECT_EQ(ended.status, 2);
    EXPECT_THAT(ended.err, HasSubstr("`100000` must be a whole number from 1 to 1024, as many as one master has places for"));
  }
}

// ---- memory ----

TEST_P(Limit, OfAddressSpaceNeverEndsInASignal) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer maps more than any such limit";
  folder_.write(
      "large.yaml",
      "version: 1\njobs: [{name: a, kind: noop, matrix: {i: 1..100}}, {name: large, kind: echo, args: {bytes: 8MiB}}, "
      "{name: b, kind: noop, matrix: {i: 1..100}}]\n");
  bool refused = false;
  for (rlim_t mib = 10; mib <= 400; mib += mib / 6) {
    SCOPED_TRACE(std::to_string(mib) + " MiB");
    const std::function<void()> little = limited(RLIMIT_AS, mib << 20);
    if (folder_.run_other(words({"--version"}), {}, little).status != 0) continue;  // not even the program begins
    const Ended ended = run("2", little, "large.yaml");
    EXPECT_THAT(ended.status, AnyOf(0, 1)) << ended.err;
    std::map<std::string, std::string> all = results();
    if (ended.status == 0) {
      EXPECT_EQ(all.size(), 201U);
    } else {
      EXPECT_THAT(ended.err,
                  AnyOf(HasSubstr("RLIMIT_AS (" + std::to_string(mib << 20) + ")"), HasSubstr("large: std::bad_alloc")));
    }
    all.erase("large");
    for (const auto& [name, status] : all) EXPECT_EQ(status, "ok") << name;
    refused = refused || ended.status == 1;
  }
  EXPECT_TRUE(refused) << "no limit was low enough to show anything";
}

TEST_P(Limit, OfLockedMemoryIsNoneOfOurs) {
  const Ended ended = run("2", limited(RLIMIT_MEMLOCK, 0));
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(results().size(), 400U);
}

// What runs out there ends the worker that asked, not the master.
TEST_P(Limit, OfAMemoryCgroupCostsTheJobThatMeetsIt) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs more than any such limit";
  const MemoryGroup group(std::uint64_t{48} << 20);
  if (!group.why_not().empty()) GTEST_SKIP() << "no memory cgroup can be made here: " << group.why_not();
  folder_.write(
      "large.yaml",
      "version: 1\njobs: [{name: a, kind: echo, args: {bytes: 100kB}, matrix: {i: 1..40}}, {name: large, kind: echo, args: "
      "{bytes: 128MiB}}, {name: b, kind: noop, matrix: {i: 1..40}}]\n");
  const Ended ended = run("2", group.joined(), "large.yaml");
  EXPECT_EQ(ended.status, 1) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("large: out of memory: the kernel ended it"));
  std::map<std::string, std::string> all = results();
  EXPECT_EQ(all.size(), 81U);
  EXPECT_EQ(all["large"], "out_of_memory");
  all.erase("large");
  for (const auto& [name, status] : all) EXPECT_EQ(status, "ok") << name;
}

TEST_P(Limit, OfAMemoryCgroupThatIsSureToBeTooSmallForTheWorkersIsNamedBeforeAnyJob) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs more than any such limit";
  const MemoryGroup group(std::uint64_t{32} << 20);
  if (!group.why_not().empty()) GTEST_SKIP() << "no memory cgroup can be made here: " << group.why_not();
  expect_nothing(run("200", group.joined()), AllOf(HasSubstr("memory.max"), HasSubstr("use fewer workers (--procs)")));
}

// Whom the kernel ends, and when, is its own choice: workers in a row, and then the run, or some that have a job by then.
TEST_P(Limit, OfAMemoryCgroupThatTurnsOutTooSmallForTheWorkersIsNamedAndCostsOnlyJobsThatMeetIt) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs more than any such limit";
  const MemoryGroup group(std::uint64_t{32} << 20);
  if (!group.why_not().empty()) GTEST_SKIP() << "no memory cgroup can be made here: " << group.why_not();
  const Ended ended = run("34", group.joined());
  const std::map<std::string, std::string> all = results();
  if (all.empty()) {
    return expect_nothing(ended, AllOf(HasSubstr("memory.max"), HasSubstr("use fewer workers (--procs)")));
  }
  EXPECT_EQ(all.size(), 400U) << ended.err;
  int met = 0;
  for (const auto& [name, status] : all) {
    EXPECT_THAT(status, AnyOf("ok", "out_of_memory")) << name << ": " << ended.err;
    if (status == "out_of_memory") ++met;
  }
  EXPECT_EQ(ended.status, met == 0 ? 0 : 1) << ended.err;
}

// ---- files ----

TEST_P(Limit, OfFileSizeIsAnErrorOrOfNoConcern) {
  folder_.write(
      "large.yaml",
      "version: 1\njobs: [{name: a, kind: noop, matrix: {i: 1..100}}, {name: large, kind: echo, args: {bytes: 8MiB}}, "
      "{name: b, kind: noop, matrix: {i: 1..100}}]\n");
  std::string command;
  for (const std::string& word : words({"--procs", "2", "--progress", "none", "--no-store", "large.yaml"}))
    command += "'" + word + "' ";
  for (const std::string& word : GetParam()) command += word + " ";
  for (const int blocks : {0, 1, 100, 5'000}) {  // of 1 KiB
    SCOPED_TRACE(blocks);
    // Output goes through a pipe, which has no size: what is limited is the memory that processes share.
    const std::string script =
        "(ulimit -f " + std::to_string(blocks) + "; " + command + " | wc -l; echo status ${PIPESTATUS[0]}) 2>&1 | cat";
    const Ended ended = folder_.run_other({"/bin/bash", "-c", script});
    if (GetParam()[1] == "pipe") {
      EXPECT_THAT(ended.out, AllOf(HasSubstr("status 0"), HasSubstr("201 ok")));
    } else if (blocks < 5'000) {
      EXPECT_THAT(ended.out, AllOf(HasSubstr("status 1"), HasSubstr("cannot size shared memory"), HasSubstr("RLIMIT_FSIZE (")));
    } else {
      EXPECT_THAT(ended.out, AllOf(HasSubstr("status 1"), HasSubstr("200 ok · 1 failed"), HasSubstr("RLIMIT_FSIZE (5120000)"),
                                   HasSubstr("large: its result could not be sent")));
    }
  }
}

// ---- processes ----

TEST_P(Limit, OfProcessesIsNamedBeforeAnyJob) {
  if (::geteuid() == 0) std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  const std::function<void()> one = with_processes(1);
  if (folder_.run_other(words({"--version"}), {}, one).status != 0) {
    GTEST_SKIP() << "root has no such limit, and another user cannot run the program here";
  }
  expect_nothing(run("4", one),
                 AllOf(HasSubstr("RLIMIT_NPROC (1) or the cgroup's pids.max is reached"), HasSubstr("ulimit -u")));
}

// ---- calls that a kernel or a sandbox does not know ----

TEST_P(Limit, OfASandboxWithoutMemfdsIsNamedAndPipesDoWithoutThem) {
  for (const int error : {ENOSYS, EPERM}) {
    const std::function<void()> without = without_call(SYS_memfd_create, error);
    if (folder_.run_other(words({"--version"}), {}, without).status == kCannotLimit) {
      GTEST_SKIP() << "no system call can be forbidden here";
    }
    const Ended ended = run("2", without);
    if (GetParam()[1] == "pipe") {
      EXPECT_EQ(ended.status, 0) << ended.err;
      EXPECT_EQ(results().size(), 400U);
    } else {
      expect_nothing(ended, AllOf(HasSubstr("cannot make shared memory: memfd_create: "),
                                  HasSubstr("or use pipes in its place (--transport pipe)")));
    }
  }
}

TEST_P(Limit, OfASandboxWithoutACallIsASentenceThatNamesIt) {
  const std::pair<const char*, long> calls[] = {{"pidfd_open", SYS_pidfd_open},       {"epoll_pwait2", SYS_epoll_pwait2},
                                                {"epoll_create1", SYS_epoll_create1}, {"eventfd", SYS_eventfd2},
                                                {"socketpair", SYS_socketpair},       {"pipe2", SYS_pipe2}};
  for (const auto& [name, number] : calls) {
    if (kSanitized && number == SYS_pipe2) continue;  // a sanitizer looks at memory through one
    const std::function<void()> without = without_call(number, ENOSYS);
    if (folder_.run_other(words({"--version"}), {}, without).status == kCannotLimit) {
      GTEST_SKIP() << "no system call can be forbidden here";
    }
    SCOPED_TRACE(name);
    expect_all_or_nothing(run("2", without), AllOf(HasSubstr(name), HasSubstr("use Linux 5.11 or later")));
  }
}

// ---- in the middle of a run ----

TEST_P(Limit, ThatForbidsToReplaceAWorkerStopsTheRunAndKeepsWhatCameBefore) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs descriptors of its own";
  folder_.write(
      "jobs.yaml",
      "version: 1\njobs: [{name: n, kind: noop, matrix: {i: 1..400}}, {name: begun, shell: \"touch begun; while [ ! -e go "
      "]; do sleep 0.01; done\"}, {name: bad, kind: misbehave, args: {how: segfault}}, {name: later, kind: noop, matrix: {i: "
      "1..400}}]\n");
  Model arguments{"--procs", "1", "--progress", "none", "--no-store", "--results", "r.jsonl", "jobs.yaml"};
  arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
  Running running(folder_, words(arguments));
  ASSERT_TRUE(eventually([&] { return folder_.exists("begun"); }));
  const rlimit none{3, 3};
  ASSERT_EQ(::prlimit(running.pid(), RLIMIT_NOFILE, &none, nullptr), 0);
  folder_.write("go", "");
  const Ended ended = running.wait();
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("RLIMIT_NOFILE (3) is too low: raise it with `ulimit -n`"),
                               HasSubstr("the run was stopped, 402 outcomes came before that")));
  auto all = results();
  EXPECT_EQ(all.size(), 402U);
  EXPECT_EQ(all["bad"], "crashed") << "its outcome was known before the limit was met";
  EXPECT_EQ(all["begun"], "ok");
}

}  // namespace
}  // namespace runner::integration
