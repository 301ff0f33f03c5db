// A program with a process pool, to be looked at from outside: pool-program PROCS shm|pipe [until-go|idle]
//
// It maps 1000 numbers and prints their sum. With `until-go`, two calls then wait for the file `go`, one of them to crash; it prints
// what became of both, and of another map. With `idle` it does nothing more until somebody writes to the fifo `end`. What a pool
// throws goes to standard error.
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <runner/process_pool.hpp>
#include <string>
#include <thread>
#include <vector>

namespace {

long square(long number) { return number * number; }

void wait_for_go() {
  while (!std::filesystem::exists("go")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}
int crash_at_go() {
  wait_for_go();
  return ::raise(SIGSEGV);
}
int begin_and_go() {
  std::ofstream("begun").close();
  wait_for_go();
  return 7;
}

long sum_of_squares(runner::ProcessPool& pool) {
  std::vector<long> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 1);
  const std::vector<long> squares = pool.map(square, numbers);
  return std::accumulate(squares.begin(), squares.end(), 0L);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace runner;
  try {
    ProcessPool pool({.procs = static_cast<std::uint32_t>(std::atoi(argv[1])),
                      .transport = std::string(argv[2]) == "pipe" ? PoolTransport::pipe : PoolTransport::shm});
    std::printf("sum %ld\n", sum_of_squares(pool));
    if (argc > 3 && std::string(argv[3]) == "idle") {
      std::ofstream("begun").close();
      std::ifstream("end").get();
    } else if (argc > 3) {
      Future<int> bad = pool.submit(crash_at_go);
      Future<int> good = pool.submit(begin_and_go);
      const auto crashed = bad.outcome();
      std::printf("bad: %s\n", crashed ? "ended well" : crashed.error().what());
      std::printf("good: %d\n", good.get());
      std::fflush(stdout);
      std::printf("sum %ld\n", sum_of_squares(pool));
    }
  } catch (const PoolError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
