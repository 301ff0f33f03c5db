// A program with a process pool, to be looked at from outside: pool-program PROCS shm|pipe [until-go|idle|large|many]
//
// It maps 1000 numbers and prints their sum. With `until-go`, two calls then wait for the file `go`, one of them to crash; it prints
// what became of both, and of another map. With `idle` it does nothing more until somebody writes to the fifo `end`. With `large` its
// workers may have 100 MiB each, and it prints what became of a call with an argument of 95 MiB and of its neighbour. With `many` it
// submits as many calls with large results as argument 4 says, and prints how many came back. What a pool throws goes to standard
// error.
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
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

std::size_t length(const std::string& text) { return text.size(); }
std::string large(int) { return std::string(263'000, 'x'); }

// Those of processes forked from now on as well.
void limit_memory(rlim_t bytes) {
  rlimit limit{};
  ::getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = bytes;
  ::setrlimit(RLIMIT_AS, &limit);
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
  const std::string mode = argc > 3 ? argv[3] : "";
  try {
    if (mode == "large") limit_memory(rlim_t{100} << 20);
    ProcessPool pool({.procs = static_cast<std::uint32_t>(std::atoi(argv[1])),
                      .transport = std::string(argv[2]) == "pipe" ? PoolTransport::pipe : PoolTransport::shm});
    std::printf("sum %ld\n", sum_of_squares(pool));
    if (mode == "large") {
      limit_memory(RLIM_INFINITY);
      Future<int> neighbour = pool.submit(begin_and_go);
      std::ofstream("go").close();
      const auto outcome = pool.submit(length, std::string(std::size_t{95} << 20, 'x')).outcome();
      std::printf("large: %s\nneighbour: %d\n", outcome ? "ended well" : outcome.error().what(), neighbour.get());
    } else if (mode == "many") {
      std::vector<Future<std::string>> results;
      for (int i = std::atoi(argv[4]); i > 0; --i) results.push_back(pool.submit(large, i));
      const auto whole = std::count_if(results.begin(), results.end(), [](auto& one) { return one.get().size() == 263'000; });
      std::printf("came back: %d\n", static_cast<int>(whole));
    } else if (mode == "idle") {
      std::ofstream("begun").close();
      std::ifstream("end").get();
    } else if (mode == "until-go") {
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
