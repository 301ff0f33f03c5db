// core_file.hpp - where the kernel put the memory of a process that crashed.
//
// Called from  any thread, once the process was waited for and its status said that it left a core (CLD_DUMPED).
// Owns         nothing.
// Fails with   cannot fail: empty where it cannot be told (a program gets the cores, the name depends on what is gone with the process,
//              or no such file of ours is there).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>

namespace runner::os {

// `folder`: the working directory that the process began in; empty: ours. `began`: when the process did; what was written before is the
// core of another. Where the pattern does not name the process, a later core takes the place of an earlier one.
[[nodiscard]] std::string core_file(pid_t process, int signal, const std::string& folder,
                                    std::chrono::system_clock::time_point began);

// Whether this can be the core of a process of ours that began then.
[[nodiscard]] bool can_be_core(const std::string& path, std::chrono::system_clock::time_point began);

// The name that `pattern` (/proc/sys/kernel/core_pattern; core(5)) gives it; empty: not to be told.
[[nodiscard]] std::string core_name(std::string_view pattern, bool append_pid, pid_t process, int signal);

}  // namespace runner::os
