// One batch under every model: the same results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// The sample of the repository with smaller numbers and without the job that crashes, run from the repository's folder.
std::string small_sample() {
  std::ifstream file(RUNNER_SOURCE_DIR "/config/jobs.yaml");
  std::ostringstream all;
  all << file.rdbuf();
  std::string text = all.str();
  text.resize(text.find("  # What isolation is for"));
  text = std::regex_replace(text, std::regex("limit: \\d+"), "limit: 200000");
  text = std::regex_replace(text, std::regex("samples: \\[.*\\]"), "samples: [1000, 2000]");
  text = std::regex_replace(text, std::regex("n: 8\\.\\.\\d+"), "n: 6..8");
  text = std::regex_replace(text, std::regex("\\{n: \\d+\\}"), "{n: 32}");
  text = std::regex_replace(text, std::regex("width: \\d+"), "width: 40");
  text = std::regex_replace(text, std::regex("height: \\d+"), "height: 30");
  return text;
}

// Everything but the times, the worker, and memory that depends on who ran it.
std::string comparable(const std::string& lines) {
  std::string same;
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);) {
    auto record = nlohmann::ordered_json::parse(line);
    for (const char* key : {"seconds", "cpu_seconds", "worker", "peak_memory", "worker_peak_memory", "costs"})
      record.erase(key);
    same += record.dump() + "\n";
  }
  return same;
}

struct Repository : Folder {
  Repository() {
    for (const char* name : {"docs", "jobs", "master", "ipc", "config", "README.md"}) {
      std::filesystem::create_symlink(std::filesystem::path(RUNNER_SOURCE_DIR) / name, path() / name);
    }
    std::filesystem::create_directory(path() / "out");
    write("sample.yaml", small_sample());
  }
};

TEST(Models, GiveTheSameResultsByteForByteInOrder) {
  const Repository folder;
  const Ended first =
      folder.run({"--procs", "3", "--keep-order", "--progress", "none", "--results", "first.jsonl", "sample.yaml"});
  ASSERT_EQ(first.status, 0) << first.err;
  const std::string expected = comparable(folder.read("first.jsonl"));
  EXPECT_THAT(expected, HasSubstr("\"job\":\"primes\",\"kind\":\"primes\",\"status\":\"ok\""));
  const std::vector<std::vector<std::string>> models{{"--mode", "threads"},
                                                     {"--mode", "async"},
                                                     {"--mode", "serial"},
                                                     {"--transport", "pipe"},
                                                     {"--start", "fork"},
                                                     {"--bind", "none"},
                                                     {"--transport", "pipe", "--start", "fork"}};
  for (std::vector<std::string> options : models) {
    const std::string model = options[1];
    for (const char* more : {"--procs", "3", "--keep-order", "--progress", "none", "--results", "other.jsonl", "sample.yaml"})
      options.push_back(more);
    const Ended other = folder.run(options);
    ASSERT_EQ(other.status, 0) << model << other.err;
    EXPECT_EQ(other.out, first.out) << model;
    EXPECT_EQ(comparable(folder.read("other.jsonl")), expected) << model;
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Models, SayWhichTheyWere) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: [1, 2]}}]\n");
  EXPECT_THAT(folder.run({"--procs", "1", "jobs.yaml"}).err, HasSubstr("1 worker process (shm, spawn, "));
  EXPECT_THAT(folder.run({"--procs", "2", "--bind", "none", "--transport", "pipe", "--start", "fork", "jobs.yaml"}).err,
              HasSubstr("2 worker processes (pipe, fork, not bound to cores)"));
  EXPECT_THAT(folder.run({"--mode", "threads", "--procs", "2", "jobs.yaml"}).err, HasSubstr("2 oneTBB threads"));
  EXPECT_THAT(folder.run({"--mode", "async", "jobs.yaml"}).err, HasSubstr("one event loop"));
  EXPECT_THAT(folder.run({"--mode", "serial", "jobs.yaml"}).err, HasSubstr("serial, in this process"));
}

TEST(Models, RunTwentyThousandTinyJobsOnceEach) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: n, kind: noop, matrix: {i: 1..20000}}]\n");
  for (const std::vector<std::string>& model :
       std::vector<std::vector<std::string>>{{}, {"--transport", "pipe"}, {"--start", "fork"}, {"--mode", "threads"}}) {
    std::vector<std::string> arguments = model;
    for (const char* more : {"--procs", "2", "--progress", "none", "--keep-order", "jobs.yaml"}) arguments.push_back(more);
    const Ended ended = folder.run(arguments);
    EXPECT_EQ(ended.status, 0) << ended.err;
    std::istringstream lines(ended.out);
    std::uint64_t i = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line != "{\"job\":\"n-" + std::to_string(++i) + "\",\"result\":{}}") FAIL() << "line " << i << ": " << line;
    }
    EXPECT_EQ(i, 20'000U);
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Models, CarryResultsOfEverySize) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: \"e-${{ bytes }}\", kind: echo, matrix: {bytes: [0B, 60B, 70B, 80B, 90B, 4kB, 64KiB, "
               "1MiB, 5MiB]}}]\n");
  const Ended first = folder.run({"--procs", "2", "--keep-order", "--progress", "none", "jobs.yaml"});
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_GT(first.out.size(), std::size_t{6} << 20);
  EXPECT_EQ(folder.run({"--procs", "2", "--keep-order", "--progress", "none", "--transport", "pipe", "jobs.yaml"}).out,
            first.out);
  EXPECT_EQ(folder.run({"--mode", "serial", "--progress", "none", "jobs.yaml"}).out, first.out);
}

TEST(Models, LetNobodyWaitBehindALongJobWhileAnotherWorkerIsIdle) {
  const Folder folder;
  // The first one ends only once the last one has run.
  folder.write("jobs.yaml",
               "version: 1\njobs:\n  - {name: long, shell: \"while [ ! -e go ]; do sleep 0.02; done\"}\n"
               "  - {name: short, command: [\"true\"]}\n  - {name: typed, kind: noop}\n  - {name: go, command: [touch, go]}\n");
  for (const char* transport : {"shm", "pipe"}) {
    Running running(folder, words({"--procs", "2", "--progress", "none", "--transport", transport, "jobs.yaml"}));
    EXPECT_TRUE(eventually([&] { return folder.exists("go"); })) << transport;
    EXPECT_EQ(running.wait().status, 0) << transport;
    std::filesystem::remove(folder.path() / "go");
  }
}

TEST(Models, GiveACommandAFifoThatNobodyWritesToWithoutWaitingForIt) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: c, command: [cat], stdin: fifo}]\n");
  ASSERT_EQ(folder.run_other({"mkfifo", "fifo"}).status, 0);
  for (const char* mode : {"processes", "serial"}) {
    EXPECT_EQ(folder.run({"--mode", mode, "--progress", "none", "jobs.yaml"}).status, 0) << mode;
  }
}

TEST(Models, NameTheirProcesses) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: sleep, args: {duration: 100s}}, {command: [sleep, \"100\"]}]\n");
  for (const char* start : {"spawn", "fork"}) {
    Running running(folder, words({"--procs", "2", "--progress", "none", "--start", start, "jobs.yaml"}));
    const auto names = [&] {
      std::vector<std::string> all;
      for (const pid_t pid : running.descendants()) all.push_back(process_name(pid));
      return all;
    };
    EXPECT_TRUE(eventually([&] {
      const std::vector<std::string> all = names();
      return std::count(all.begin(), all.end(), "runner-w0") == 1 && std::count(all.begin(), all.end(), "runner-w1") == 1 &&
             std::count(all.begin(), all.end(), "sleep") == 1;
    })) << testing::PrintToString(names());
    EXPECT_EQ(process_name(running.pid()), "runner");
    running.signal(SIGTERM);
    EXPECT_EQ(running.wait().status, 130);
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

}  // namespace
}  // namespace runner::integration
