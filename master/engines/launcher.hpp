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
#include "master/guardian.hpp"

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

  // A child of this process that helps with it; -1: none. `helper_fd` is readable once it is dead; then replace_helper().
  [[nodiscard]] virtual pid_t helper() const { return -1; }
  [[nodiscard]] virtual int helper_fd() const { return -1; }
  [[nodiscard]] virtual Result<void> replace_helper() { return {}; }
};

// A process that was just started, with a pidfd of its own (it is our unreaped child, so the number cannot be another's); it
// is ended when it cannot be watched.
[[nodiscard]] Result<Launched> watched(pid_t pid);

// posix_spawn of the thin worker program, opened once, so that an upgrade in between cannot mix versions.
// `program` empty: `runner-worker` beside the running program.
[[nodiscard]] Result<std::unique_ptr<Launcher>> make_spawn_launcher(const std::string& program);

// A zygote forked now, from which each worker is cloned in well under a millisecond whatever the master holds. To be called
// from the main thread before there is any other. `registry` is the master's, its plug-ins loaded: workers inherit it, and the
// functions of `modules`; both outlive the launcher. With a guardian this process is the runner: then a zygote that was killed is
// replaced, forked anew as long as there is one thread. A library's host may hold anything that a later fork would copy.
[[nodiscard]] Result<std::unique_ptr<Launcher>> make_fork_launcher(Registry& registry, const ipc::Modules& modules,
                                                                   const Guardian* guardian);

}  // namespace runner::master
