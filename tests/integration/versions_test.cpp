// A master and a worker of different builds part before any job, and say which builds they are.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <runner/version.hpp>
#include <runner/wire.hpp>

#include "ipc/control.hpp"
#include "ipc/hello.hpp"
#include "ipc/layout.hpp"
#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

// ---- an old worker beside this master ----

struct Old {
  const char* worker;
  std::vector<std::string> said;
};
void PrintTo(const Old& old, std::ostream* out) { *out << old.worker; }

const std::string kOwn = RUNNER_VERSION_STRING;

class OldWorker : public testing::TestWithParam<Old> {};
INSTANTIATE_TEST_SUITE_P(
    Of, OldWorker,
    testing::Values(
        Old{"version", {"the worker is of version 0.0.9, this program of version " + kOwn, "install both from one build"}},
        Old{"refuses", {"the worker is of version 0.0.9, this program of version " + kOwn, "install both from one build"}},
        Old{"form", {"the worker is of version 0.0.9, this program of version " + kOwn, "install both from one build"}},
        Old{"layout", {"the worker lays out shared memory in another way, though both are of version " + kOwn}},
        Old{"stranger", {"does not answer as a worker", "install runner and runner-worker from one build"}},
        Old{"silent", {" workers in a row ended without having run a job", "exit status 70"}}),
    [](const auto& old) { return std::string(old.param.worker); });

TEST_P(OldWorker, IsRefusedBeforeAnyJob) {
  const Folder folder;
  std::filesystem::copy_file(RUNNER_PROGRAM, folder.path() / "runner");
  std::filesystem::copy_file(RUNNER_OLD_WORKER, folder.path() / "runner-worker");
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: \"touch ran\"}, {kind: noop, matrix: {i: 1..10}}]\n");
  for (const char* transport : {"shm", "pipe"}) {
    const Ended ended = folder.run_other({"env", std::string("OLD_WORKER=") + GetParam().worker, "./runner", "--procs", "2",
                                          "--transport", transport, "--results", "r.jsonl", "jobs.yaml"});
    EXPECT_EQ(ended.status, 1) << ended.err;
    for (const std::string& words : GetParam().said) EXPECT_THAT(ended.err, HasSubstr(words)) << transport;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_THAT(ended.out, IsEmpty());
    EXPECT_FALSE(folder.exists("ran"));
    EXPECT_THAT(folder.read("r.jsonl"), IsEmpty());
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(WorkerProgram, ThatIsMissingOrNoProgramIsNamed) {
  const Folder folder;
  std::filesystem::copy_file(RUNNER_PROGRAM, folder.path() / "runner");
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop}]\n");
  Ended ended = folder.run_other({"./runner", "jobs.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("/runner-worker`: No such file"), HasSubstr("install both, or use --start fork")));
  EXPECT_EQ(folder.run_other({"./runner", "--start", "fork", "--progress", "none", "jobs.yaml"}).status, 0);
  folder.write("runner-worker", "no program\n");
  ended = folder.run_other({"./runner", "jobs.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("/runner-worker`: Permission denied"));
}

// ---- this worker and an old master ----

// What runner-worker answers to a hello, in a process of its own.
Result<ipc::Ready> answer_to(const std::string& hello) {
  const Result<std::pair<UniqueFd, UniqueFd>> ends = ipc::control_pair();
  if (!ends) return tl::unexpected(ends.error());
  if (Result<void> said = ipc::send_control(ends->first.get(), as_bytes(hello), {}); !said) return tl::unexpected(said.error());
  const Folder folder;
  const Ended ended = folder.run_other({RUNNER_WORKER_PROGRAM}, {}, [&] { ::dup2(ends->second.get(), 3); });
  EXPECT_EQ(ended.status, 70) << "it should leave";
  ipc::ControlMessage message;
  const Result<ipc::Received> got = ipc::receive_control(ends->first.get(), message, false);
  if (!got) return tl::unexpected(got.error());
  return ipc::read_ready(message);
}

TEST(OldMaster, IsRefusedByTheWorkerWithBothVersions) {
  const std::string front = "hllo" + to_wire(std::string("0.0.9")) + to_wire(ipc::layout_hash());
  for (const std::string& hello :
       {"hllo" + to_wire(ipc::Hello{.version = "0.0.9", .layout = ipc::layout_hash()}), front, front + "\xff"}) {
    const Result<ipc::Ready> ready = answer_to(hello);
    ASSERT_TRUE(ready.has_value()) << ready.error().text;
    EXPECT_EQ(ready->version, kOwn);
    EXPECT_EQ(ready->refusal,
              "the master is of version 0.0.9, this program of version " + kOwn + ": install both from one build");
  }
}

TEST(OldMaster, WithAnotherLayoutOrWithoutAHelloIsRefusedToo) {
  const Result<ipc::Ready> layout = answer_to("hllo" + to_wire(ipc::Hello{.version = kOwn, .layout = ipc::layout_hash() ^ 1}));
  ASSERT_TRUE(layout.has_value()) << layout.error().text;
  EXPECT_THAT(layout->refusal,
              HasSubstr("the master lays out shared memory in another way, though both are of version " + kOwn));
  const Result<ipc::Ready> stranger = answer_to("HELO localhost");
  ASSERT_TRUE(stranger.has_value()) << stranger.error().text;
  EXPECT_THAT(stranger->refusal, HasSubstr("no hello"));
}

}  // namespace
}  // namespace runner::integration
