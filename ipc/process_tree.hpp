// process_tree.hpp - the processes below one, as /proc shows them, and their end.
//
// To end a tree that may go on forking, all that is found is stopped, it is looked again until nothing new turns up, all is
// killed, and it is looked again until none is left. Each process is addressed by a pidfd and looked at once more through it, so
// that a number that was given to somebody else meanwhile hurts nobody.
//
// Called from  any thread; end_processes() also from a signal handler and between fork and exec: it allocates nothing, takes no
//              lock, and leaves errno as it was.
// Owns         nothing between calls.
// Fails with   cannot fail: what may not be signalled (another user's), or does not die within a second (it hangs in the kernel), is
//              left. Where /proc is not mounted nothing is found.
// Never        touches this process, or process 1.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <runner/units.hpp>

namespace runner::os {

struct Process {
  pid_t pid = -1, parent = -1, group = -1;
  std::uint64_t start = 0;      // when, in ticks since the machine started: with pid, who it is
  std::array<char, 16> name{};  // ends with NUL
  std::array<char, 4> state{};  // "R", "S", "Z", ...
};

// Which processes are meant: those that `root` says yes to, and everything below them. Each process is asked about once a look.
struct Scope {
  bool (*root)(const Process& process, const void* with) = nullptr;
  const void* with = nullptr;
  pid_t waited_for = -1;  // a child that somebody else reaps
};
[[nodiscard]] Scope below(const pid_t& process);    // not itself
[[nodiscard]] Scope group_of(const pid_t& leader);  // its process group, and what that has started

// Ends them. Those that lived are written to `found` as far as it goes; the answer is how many there were. Where they are children
// of this process they are reaped.
std::size_t end_processes(const Scope& scope, std::span<Process> found = {}) noexcept;

// SIGTERM to each that lives now; then SIGCONT, so that one that is stopped hears of it. Answers how many there were.
std::size_t ask_to_end(const Scope& scope) noexcept;

// When a process began, as Process::start; 0: it is gone.
[[nodiscard]] std::uint64_t start_of(pid_t process) noexcept;

// Whether this process has a child, a dead one included, that was not waited for.
[[nodiscard]] bool has_children();
// The children of a process, of all its threads. Fast; one that is born or dies meanwhile may be missed.
[[nodiscard]] std::vector<pid_t> children_of(pid_t process);

// Resident memory of everything below a process, and its own if `itself`. quick: what several share counts for each. fair: it is
// divided among those who share it, which takes the kernel much longer to find out.
enum class Count : std::uint8_t { quick, fair };
[[nodiscard]] Bytes tree_memory(pid_t process, bool itself, Count count);
// What a process has for itself alone, and the resident memory of all below it, what those share counted for each: a worker and the
// command that it runs.
[[nodiscard]] Bytes own_and_below_memory(pid_t process);

// "sleep (pid 4711)"; at most kNamed of them and a word about the others.
inline constexpr std::size_t kNamed = 10;
[[nodiscard]] std::vector<std::string> names_of(std::span<const Process> found, std::size_t count);

}  // namespace runner::os
