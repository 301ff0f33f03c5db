// runner-worker: a worker process that the master spawned. Everything it needs comes over its control socket.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <runner/registry.hpp>
#include <runner/version.hpp>

#include "worker/serve.hpp"

int main(int argc, char** argv) {
  constexpr int control = 3;
  if (argc > 1 && std::strcmp(argv[1], "--version") == 0) {
    std::puts("runner-worker " RUNNER_VERSION_STRING);
    return 0;
  }
  struct stat info{};
  if (argc > 1 || ::fstat(control, &info) != 0 || !S_ISSOCK(info.st_mode)) {
    std::fputs("runner-worker: started by `runner`, not by hand; see `runner --help`\n", stderr);
    return 2;
  }
  ::fcntl(control, F_SETFD, FD_CLOEXEC);
  runner::Registry registry;
  return runner::worker::serve(runner::UniqueFd(control), registry, nullptr);
}
