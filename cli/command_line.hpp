// command_line.hpp - what was typed to start this program, so that it can be pasted into a shell again.
//
// Called from  any thread.
// Owns         nothing.
// Fails with   nothing: where the kernel does not tell, it is empty.
#pragma once

#include <string>
#include <string_view>

namespace runner::cli {

// Of this process.
[[nodiscard]] std::string command_line();
// Of words that each end with a zero byte, as /proc/PID/cmdline has them.
[[nodiscard]] std::string quoted_words(std::string_view words);

}  // namespace runner::cli
