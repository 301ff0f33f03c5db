// launcher.hpp - brings worker processes into being; every one of them is a child of the master.
//
// Called from  one long-lived thread of the master (PDEATHSIG fires when the thread that spawned ends).
// Owns         what is needed to start more: the opened worker program, or the zygote.
// Fails with   system: no process, no descriptor; usage: the worker program is missing.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include <runner/registry.hpp>
#include <runner/result.hpp>
#include <runner/unique_fd.hpp>
#include "ipc/modules.hpp"

namespace runner::master {

struct Launched {
  pid_t pid = -1;
  UniqueFd pidfd;  // readable once the process is dead
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // The new process gets `control` (the worker's end) and nothing else that is ours; it waits there for its hello.
  [[nodiscard]] virtual Result<Launched> launch(int control) = 0;
};

// A process that was just started, with a pidfd of its own (it is our unreaped child, so the number cannot be another's); it
// is ended when it cannot be watched.
[[nodiscard]] Result<Launched> watched(pid_t pid);

// posix_spawn of the thin worker program, opened once, so that an upgrade in between cannot mix versions.
// `program` empty: `runner-worker` beside the running program.
[[nodiscard]] Result<std::unique_ptr<Launcher>> make_spawn_launcher(const std::string& program);

// A zygote forked now, from which each worker is cloned in well under a millisecond whatever the master holds. To be called
// from the main thread before there is any other. `registry` is the master's, its plug-ins loaded: workers inherit it, and the
// functions of `modules`, which must outlive the call only.
[[nodiscard]] Result<std::unique_ptr<Launcher>> make_fork_launcher(Registry& registry, const ipc::Modules& modules);

}  // namespace runner::master
