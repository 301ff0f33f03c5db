// serve.hpp - the life of a worker process: hello, then jobs until the master wants no more.
//
// Called from  the main thread of a worker, the only one it has: the program runner-worker, or a process cloned from the
//              zygote. Takes the process over: its name, signals, standard input and output, parent-death signal.
// Owns         the control socket and the connection.
// Fails with   an exit status other than 0; the master is told before any job when there was a hello to answer. A job's crash
//              is the process's own death, and the master learns of it from the kernel.
#pragma once

#include <runner/registry.hpp>
#include <runner/unique_fd.hpp>
#include "ipc/modules.hpp"

namespace runner::worker {

// Answers the exit status of the process. `modules`: of the program that this process was forked from; null: it was spawned, and
// knows registered kinds only.
[[nodiscard]] int serve(UniqueFd control, Registry& registry, const ipc::Modules* modules);

}  // namespace runner::worker
