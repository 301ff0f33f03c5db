// job_group.hpp - a control group (v2) for the commands of one place, where the run has been delegated one: nobody leaves it by forking.
//
// The run's master makes a folder and says so in kRunGroup; each place has a group in it, "1" and so on, whose commands are born into it.
// The group is empty between two commands, so one is enough for all of them, one after another. One that was killed is made anew, because
// nobody can be born into it any more (spawn.hpp), and each is tried once before it is used.
//
// Called from  spawn (the descriptor), command.cpp (the rest); by one command of a place at a time.
// Owns         descriptors of the group's folder and of its cgroup.events; the folder itself is removed by the master.
// Fails with   nothing: where it cannot be made or written there is none, and what is done without groups is done alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <runner/unique_fd.hpp>
#include <runner/units.hpp>

namespace runner::worker {

// The folder of the run's groups. No program gets it.
inline constexpr const char* kRunGroup = "RUNNER_CGROUP";

class JobGroup {
 public:
  // Of this place of this process; null: there is none.
  [[nodiscard]] static JobGroup* of_place(std::uint32_t place);
  // A folder that is there, or can be made.
  [[nodiscard]] static std::unique_ptr<JobGroup> at(const std::string& folder);

  // For CLONE_INTO_CGROUP.
  [[nodiscard]] int fd() const { return folder_.get(); }

  // Whether anybody is in it.
  [[nodiscard]] bool populated() const;
  // "sleep (pid 4711)".
  [[nodiscard]] std::vector<std::string> names() const;
  // All that are in it, at once; returns when they are gone, or after a second.
  void kill();

  // What all of them together may have, from now on; zero: no limit. False: nobody sees to that.
  [[nodiscard]] bool limit(Bytes memory);
  // The kernel has ended somebody for that limit since it was set.
  [[nodiscard]] bool out_of_memory() const;
  // The most that they had together, since the group was made.
  [[nodiscard]] std::optional<Bytes> peak() const;

 private:
  JobGroup(std::string path, UniqueFd folder);
  [[nodiscard]] static std::unique_ptr<JobGroup> tried(const std::string& folder);
  [[nodiscard]] std::optional<std::string> read(const char* file) const;
  bool write(const char* file, const std::string& text) const;
  [[nodiscard]] std::uint64_t kills() const;

  std::string path_;
  UniqueFd folder_, events_;
  bool killed_ = false;
  bool limited_ = false;
  std::uint64_t kills_ = 0;  // when the limit was set
};

}  // namespace runner::worker
