// What jobs share is the same for all of them, whichever model runs them, and outlives whoever crashes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Options = std::vector<std::string>;
using Records = std::map<std::string, nlohmann::json>;

const Options kShmSpawn{}, kPipeSpawn{"--transport", "pipe"}, kShmFork{"--start", "fork"},
    kPipeFork{"--transport", "pipe", "--start", "fork"}, kThreads{"--mode", "threads"}, kAsync{"--mode", "async"},
    kSerial{"--mode", "serial"};

std::string name_of(const Options& options) {
  std::string name;
  for (const std::string& word : options) name += word.starts_with("--") ? "" : word;
  return name.empty() ? "shm" : name;
}

class SharedTest : public testing::TestWithParam<Options> {
 protected:
  // `shared` and `jobs` are the lists of these sections; the results are in records_.
  Ended run(const std::string& shared, const std::string& jobs, std::uint32_t procs = 2) {
    folder_.write("jobs.yaml", "version: 1\nplugins: [" RUNNER_SHARING_PLUGIN "]\nshared: {" + shared + "}\njobs:\n" + jobs);
    Options options{"--procs", std::to_string(procs), "--progress", "none", "--results", "r.jsonl", "jobs.yaml"};
    options.insert(options.end(), GetParam().begin(), GetParam().end());
    Ended ended = folder_.run(options);
    std::istringstream lines(folder_.read("r.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto record = nlohmann::json::parse(line);
      records_[record["job"]] = record;
    }
    return ended;
  }
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }

  Folder folder_;
  Records records_;
};

// All four engines, both transports, both ways of starting.
using Sharing = SharedTest;
INSTANTIATE_TEST_SUITE_P(Models, Sharing,
                         testing::Values(kShmSpawn, kPipeSpawn, kShmFork, kPipeFork, kThreads, kAsync, kSerial),
                         [](const auto& one) { return name_of(one.param); });

TEST_P(Sharing, LosesNoAtomicAddition) {
  const Ended ended = run("hits: {counter: 0}, total: {counter: -3}",
                          "  - {name: t, kind: tally, args: {counter: hits, times: 2000}, matrix: {i: 1..50}}\n"
                          "  - {name: u, kind: tally, args: {counter: total, times: 5}}\n");
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("shared  hits = 100000 · total = 2\n"));
}

TEST_P(Sharing, ShowsEveryJobTheWholeFile) {
  std::string text(1'000'003, 'a');
  for (std::size_t i = 0; i < text.size(); i += 7) text[i] = 'b';
  folder_.write("data.txt", text);
  folder_.write("empty.txt", "");
  std::string jobs = "  - {name: empty, kind: count_bytes, args: {shared: empty, byte: 98}}\n";
  std::size_t parts = 0;
  for (std::size_t from = 0; from < text.size(); from += 100'000, ++parts) {
    jobs += "  - {name: p" + std::to_string(parts) +
            ", kind: count_bytes, args: {shared: data, byte: 98, from: " + std::to_string(from) +
            ", to: " + std::to_string(std::min(text.size(), from + 100'000)) + "}}\n";
  }
  const Ended ended = run("data: {file: data.txt}, empty: {file: empty.txt}", jobs, 3);
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.err, Not(HasSubstr("shared  "))) << "there is no counter to tell of";
  std::uint64_t count = 0, bytes = 0;
  for (const auto& [name, record] : records_) {
    count += record["result"]["count"].get<std::uint64_t>();
    bytes += record["result"]["bytes"].get<std::uint64_t>();
  }
  EXPECT_EQ(bytes, text.size());
  EXPECT_EQ(count, static_cast<std::uint64_t>(std::count(text.begin(), text.end(), 'b')));
  EXPECT_EQ(records_["empty"]["result"]["bytes"], 0);
  EXPECT_EQ(folder_.read("data.txt"), text);
}

TEST_P(Sharing, ShowsAJobWhatAnEarlierOneWrote) {
  const Ended ended = run("grid: {bytes: 3MiB, writable: true}",
                          "  - {name: a, kind: mark, args: {shared: grid, at: 3145727}}\n"
                          "  - {name: b, kind: mark, args: {shared: grid, at: 0, wait_for: 3145727}}\n");
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(records_["b"]["result"]["met"], true);
}

TEST_P(Sharing, TellsAJobWhatThereIsWhenItAsksForSomethingElse) {
  const Ended ended = run("hits: {counter: 0}, grid: {bytes: 4KiB, writable: true}",
                          "  - {name: near, kind: tally, args: {counter: hist}}\n"
                          "  - {name: sort, kind: count_bytes, args: {shared: hits, byte: 0}}\n");
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(
      records_["near"]["error"],
      "this batch shares nothing called `hist` (did you mean `hits`?); shared are: grid (writable bytes), hits (a counter)");
  EXPECT_EQ(
      records_["sort"]["error"],
      "the shared `hits` is a counter, but the job needs a file or bytes; shared are: grid (writable bytes), hits (a counter)");
}

// Engines that run two jobs at a time.
using SharingAtATime = SharedTest;
INSTANTIATE_TEST_SUITE_P(Models, SharingAtATime, testing::Values(kShmSpawn, kPipeSpawn, kShmFork, kPipeFork, kThreads),
                         [](const auto& one) { return name_of(one.param); });

TEST_P(SharingAtATime, LetsTwoJobsMeetInARegion) {
  const Ended ended = run("grid: {bytes: 4KiB, writable: true}",
                          "  - {name: a, kind: mark, args: {shared: grid, at: 0, wait_for: 1}}\n"
                          "  - {name: b, kind: mark, args: {shared: grid, at: 1, wait_for: 0}}\n");
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(records_["a"]["result"]["met"], true);
  EXPECT_EQ(records_["b"]["result"]["met"], true);
}

// Worker processes.
using SharingAfterACrash = SharedTest;
INSTANTIATE_TEST_SUITE_P(Workers, SharingAfterACrash, testing::Values(kShmSpawn, kPipeSpawn, kShmFork, kPipeFork),
                         [](const auto& one) { return name_of(one.param); });

TEST_P(SharingAfterACrash, KeepsWhatTheDeadHadWrittenAndShowsItToTheReplacement) {
  folder_.write("data.txt", "abcabc");
  const Ended ended = run("hits: {counter: 10}, grid: {bytes: 8KiB, writable: true}, data: {file: data.txt}",
                          "  - {name: before, kind: mark, args: {shared: grid, at: 5}}\n"
                          "  - {name: dies, kind: tally_and_crash, args: {counter: hits, times: 500}, retries: 1}\n"
                          "  - {name: after, kind: tally, args: {counter: hits, times: 7}}\n"
                          "  - {name: region, kind: count_bytes, args: {shared: grid, byte: 1}}\n"
                          "  - {name: file, kind: count_bytes, args: {shared: data, byte: 97}}\n",
                          1);
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(records_["dies"]["signal"], "SIGABRT");
  EXPECT_EQ(records_["dies"]["attempts"], 2);
  EXPECT_EQ(records_["region"]["result"]["count"], 1) << ended.err;
  EXPECT_EQ(records_["file"]["result"]["count"], 2);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("2 workers replaced"), HasSubstr("shared  hits = 1017\n")))
      << "each attempt added its 500";
}

TEST_P(SharingAfterACrash, OfAShortenedFileBlamesTheJobsThatTouchWhatIsGone) {
  folder_.write("data.txt", std::string(1 << 20, 'x'));
  const Ended ended = run("data: {file: data.txt}",
                          "  - {name: whole, kind: count_bytes, args: {shared: data, byte: 120}}\n"
                          "  - {name: cut, command: [truncate, -s, 4096, data.txt]}\n"
                          "  - {name: gone, kind: count_bytes, args: {shared: data, byte: 120}, matrix: {i: 1..2}}\n"
                          "  - {name: kept, kind: count_bytes, args: {shared: data, byte: 120, to: 4096}}\n"
                          "  - {name: other, kind: noop}\n",
                          1);
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(records_["whole"]["result"]["count"], 1 << 20);
  for (const char* name : {"gone-1", "gone-2"}) {
    EXPECT_EQ(records_[name]["status"], "crashed") << name;
    EXPECT_EQ(records_[name]["signal"], "SIGBUS") << name;
  }
  EXPECT_EQ(records_["kept"]["result"]["count"], 4096) << ended.err;
  EXPECT_EQ(records_["other"]["status"], "ok");
}

TEST(SharedFiles, ThatVanishAfterTheCheckOrNeverWereStopTheRunBeforeItBegins) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\nshared: {f: {file: no.txt}}\njobs: [{name: c, command: [touch, ran]}]\n");
  for (const Options& options : {Options{"jobs.yaml"}, Options{"check", "jobs.yaml"}, Options{"--dry-run", "jobs.yaml"}}) {
    const Ended ended = folder.run(options);
    EXPECT_EQ(ended.status, 2);
    EXPECT_THAT(ended.err, HasSubstr("jobs.yaml:2:20: the file `no.txt` of `shared.f` cannot be opened"));
  }
  EXPECT_FALSE(folder.exists("ran"));
}

TEST(Race, OfTheExampleLosesNothingWhereItIsCareful) {
  const Folder folder;
  const Ended ended = folder.run({"--procs", "2", "--progress", "none", RUNNER_SOURCE_DIR "/examples/race/race.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  // How many of the others get lost is chance, none at all on one processor; so nothing is said of them here.
  EXPECT_THAT(ended.err, AllOf(HasSubstr("shared  lost = "), HasSubstr(" · kept = 160000000\n")));
}

}  // namespace
}  // namespace runner::integration
