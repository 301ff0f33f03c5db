// parting_message.hpp - what is said when a job in this process takes the program with it.
//
// Called from  say_crash: a signal handler. say_stuck: any thread.
// Never        (say_crash) allocates or locks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "master/engine.hpp"

namespace runner::cli {

void say_crash(std::string_view job, std::uint64_t safe, int signal);
[[nodiscard]] std::string stuck_message(const JobSpec& job, master::StopReason reason, std::uint64_t safe);

}  // namespace runner::cli
