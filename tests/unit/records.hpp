// records.hpp - jobs that have ended, made up for the tests of sinks; and files to look at afterwards.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include <runner/unique_fd.hpp>
#include "master/sink.hpp"

namespace runner::test {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "runner-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A job and how it ended, at one place so that a record can point to both.
struct Ended {
  JobSpec job;
  Outcome outcome;
  Attempt attempts{1};
  std::optional<WorkerId> worker = WorkerId{1};
  master::AttemptCosts costs{};
  [[nodiscard]] master::JobRecord record() const { return {job, outcome, attempts, worker, costs}; }
};

inline Ended typed(std::uint64_t id, std::string name, std::string kind, std::string result = {}) {
  Ended ended;
  ended.job = {.id = JobId{id}, .name = std::move(name), .work = TypedWork{std::move(kind), {}}};
  ended.outcome.result = std::move(result);
  ended.outcome.wall = std::chrono::milliseconds(1250);
  ended.outcome.cpu = std::chrono::nanoseconds(41);
  return ended;
}

inline Captured captured(std::string text) {
  Captured captured;
  captured.bytes = text.size();
  captured.text = std::move(text);
  return captured;
}

// Output beyond 1 MiB, as a worker hands it over.
inline Captured spilled(const std::string& all) {
  Captured captured;
  captured.bytes = all.size();
  captured.text = all.substr(all.size() - Captured::kCaptureTail);
  std::string name = (std::filesystem::temp_directory_path() / "runner-test-XXXXXX").string();
  captured.spill.reset(::mkstemp(name.data()));
  ::unlink(name.c_str());
  EXPECT_EQ(::write(captured.spill.get(), all.data(), all.size()), static_cast<ssize_t>(all.size()));
  return captured;
}

inline Ended command(std::uint64_t id, std::string name, std::string out = {}, std::string err = {}, int status = 0) {
  Ended ended;
  ended.job = {.id = JobId{id}, .name = std::move(name), .work = CommandWork{}};
  ended.outcome.out = captured(std::move(out));
  ended.outcome.err = captured(std::move(err));
  ended.outcome.exit_code = status;
  ended.outcome.wall = std::chrono::milliseconds(200);
  if (status != 0) ended.outcome.ending = Failed{"exit status " + std::to_string(status)};
  return ended;
}

inline std::size_t open_files() {
  const std::filesystem::directory_iterator open("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

}  // namespace runner::test
