// spawn.hpp - a program started in a process group of its own, its streams on pipes, at the cost of a vfork.
//
// The child shares our memory until it has become the program, so nothing of ours is copied however much there is. It gets:
// a new process group, SIGKILL when the thread that started it ends, default signals, an empty mask, stdin from a file.
//
// Called from  any thread; that thread must outlive the program.
// Owns         the pidfd and the read ends of both pipes; ending and reaping the program is the caller's (command.hpp).
// Fails with   bad_batch, with the text for the job's outcome: not found, not executable, no such folder, ...; system.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include <runner/job_spec.hpp>
#include <runner/result.hpp>
#include <runner/unique_fd.hpp>

namespace runner::worker {

struct Spawned {
  pid_t pid = -1;
  UniqueFd pidfd;        // readable once the program has exited
  UniqueFd out, err;     // read ends, non-blocking
  bool grouped = false;  // it is in the group
};

// The program finds RUNNER_SLOT in its environment, as set by use_slot; RUNNER_CPUS, the processors that it may keep busy; and as many
// as value of those thread caps that are the run's own (ipc/thread_caps.hpp).
// `group`: a descriptor of the control group that it is born into, where that is possible; -1: that of this process.
[[nodiscard]] Result<Spawned> spawn(const CommandWork& work, int group = -1);

// Whether a process that is born into this control group lives. On Linux 6.18 it is killed at once where cgroup.kill was used on the
// group, or on that of this process, since the one or the other was made: the kernel takes the one's count for the other's.
[[nodiscard]] bool can_be_born_into(int group);

// The place in which this thread's commands run from now on: from 1 to as many as run at a time, no two of which have the same.
// 1 until it is told.
void use_slot(std::uint32_t slot);
[[nodiscard]] std::uint32_t slot_in_use();

}  // namespace runner::worker
