// inheritance.hpp - what a process forked from ours has in common with us, and must not use as if it were its own.
//
// A child of fork() has copies of our objects, and the same sockets, pipes and shared memory behind them: it would speak in our
// name. So an object with something behind it remembers fork_count(), and is of no use where that is another.
//
// Called from  any thread. fork_count counts in the child, before fork() returns there; clones that bypass fork() do not count.
// Fails with   nothing.
#pragma once

#include <cstdint>

namespace runner::ipc {

namespace detail {
extern std::uint32_t forks;
}
// How many forks lie between the program's first process and this one.
[[nodiscard]] inline std::uint32_t fork_count() { return detail::forks; }

// Opens /dev/null in the place of each of standard input, output and error that is closed. Else the next thing that is opened takes
// its place, and what anybody prints goes there.
void fill_standard_streams();

}  // namespace runner::ipc
