// spawn_loop: runs a program many times, a few at a time, by posix_spawn and waitpid and nothing else. What a runner of
// commands is measured against: it captures nothing, checks only the exit status, and knows no deadline.
//
//   bench_spawn_loop 2000 2 /bin/true       -> the seconds it took
//
// Fails with   exit status 1 when a program cannot be started or does not exit with 0.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: bench_spawn_loop TIMES AT_ONCE PROGRAM [ARGUMENT]...\n", stderr);
    return 2;
  }
  const long times = std::atol(argv[1]), at_once = std::atol(argv[2]);
  const auto began = std::chrono::steady_clock::now();
  for (long started = 0, ended = 0; ended < times;) {
    if (started < times && started - ended < at_once) {
      pid_t pid = -1;
      if (::posix_spawn(&pid, argv[3], nullptr, nullptr, argv + 3, environ) != 0) return 1;
      ++started;
      continue;
    }
    int status = 0;
    if (::waitpid(-1, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;
    ++ended;
  }
  std::printf("%.6f\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
}
