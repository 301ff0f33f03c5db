// brief_name.hpp - the one name that this program ever gives to a message queue or to shared memory.
//
// Both ends of a link are inherited by fork, so a name is needed from create to remove only: a few microseconds. It has the pid
// of the program in it; who cleans up after a killed measurement removes it once more.
//
// Called from  set: main, before anything is measured. The others: anybody.
// Fails with   cannot fail: a name that is not there is removed already.
#pragma once

#include <unistd.h>

#include <string>

namespace runner::bench::brief_name {

void set(pid_t program);
[[nodiscard]] const std::string& get();  // "/runner-bench-ipc.4711"
void remove();                           // of a POSIX message queue and of shared memory

}  // namespace runner::bench::brief_name
