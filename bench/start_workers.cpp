// start_workers: how long the processes engine takes from nothing to workers that are all ready.
//
//   bench_start_workers spawn|fork PROCS    -> the seconds it took
//
// Fails with   exit status 1 and a message when the engine cannot open.
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <runner/registry.hpp>

#include "master/engines/processes.hpp"
#include "master/usable_cpus.hpp"

int main(int argc, char** argv) {
  using namespace runner;
  const bool fork = argc == 3 && std::strcmp(argv[1], "fork") == 0;
  if (argc != 3 || (!fork && std::strcmp(argv[1], "spawn") != 0)) {
    std::fputs("usage: bench_start_workers spawn|fork PROCS\n", stderr);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  const auto began = std::chrono::steady_clock::now();
  Registry registry;
  const std::unique_ptr<master::Engine> engine =
      master::make_process_engine({.procs = static_cast<std::uint32_t>(std::atoi(argv[2])),
                                   .transport = master::Transport::shm,
                                   .start = fork ? master::StartMethod::fork : master::StartMethod::spawn,
                                   .bind = master::Bind::core,
                                   .cpus = master::usable_cpus(),
                                   .worker_program = {},
                                   .geometry = {}},
                                  registry);
  if (const Result<void> opened = engine->open(); !opened) {
    std::fprintf(stderr, "bench_start_workers: %s\n", opened.error().text.c_str());
    return 1;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  static_cast<void>(engine->close());
  std::printf("%.6f\n", took.count());
}
