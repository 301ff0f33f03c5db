// A pool in a program that does other things as well: has other pools, forks children, closes its standard streams, unloads libraries,
// prints, ignores signals; and functions that do such things in a worker.
#include <dlfcn.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/pool/pools.hpp"

namespace runner {
namespace {

class Surroundings : public PoolTest {};
INSTANTIATE_TEST_SUITE_P(With, Surroundings, pools_of_two(), over_name);

// A process forked from this one that runs `life` and ends with its status.
template <class Life>
[[nodiscard]] pid_t forked(const Life& life) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(life());
  return pid;
}
[[nodiscard]] int status_of(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
template <class Life>
[[nodiscard]] int in_a_process(const Life& life) {
  return status_of(forked(life));
}

TEST_P(Surroundings, APoolEndsBeforeOneThatWasMadeAfterIt) {
  ProcessPool second = [&] {
    static_cast<void>(pool());
    return ProcessPool(options());
  }();
  Future<int> running = pool().submit(for_ever, 1);
  EXPECT_EQ(second.submit(twice, 1).get(), 2);
  destroy();
  EXPECT_EQ(second.submit(twice, 2).get(), 4);
  EXPECT_TRUE(ended_as<Cancelled>(running.outcome()));
}

TEST_P(Surroundings, APoolEndsWhileAChildOfTheProgramLives) {
  EXPECT_EQ(pool().submit(twice, 1).get(), 2);
  const pid_t child = forked([] { return for_ever(0); });
  destroy();
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_EQ(status_of(child), 128 + SIGKILL);
}

TEST_P(Surroundings, AChildOfTheProgramCanNeitherUseThePoolNorHarmIt) {
  std::optional<ProcessPool> mine(std::in_place, options());
  Future<int> done = mine->submit(twice, 1);
  EXPECT_EQ(done.get(), 2);
  std::vector<Future<int>> under_way;
  const auto slowly = [](int x) {
    ::usleep(20'000);
    return x;
  };
  for (int i = 0; i < 10; ++i) under_way.push_back(mine->submit(slowly, i));
  EXPECT_EQ(in_a_process([&] {
              int refused = 0;
              const auto refuses = [&](const auto& use) {
                try {
                  use();
                } catch (const PoolError& error) {
                  refused += std::string(error.what()).find("forked") != std::string::npos ? 1 : 0;
                }
              };
              refuses([&] { static_cast<void>(mine->submit(twice, 1)); });
              refuses([&] { static_cast<void>(mine->map(twice, std::views::iota(0, 100))); });
              refuses([&] { static_cast<void>(mine->workers()); });
              refuses([&] { under_way.back().get(); });
              under_way.clear();
              mine.reset();
              return refused;
            }),
            4);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(under_way[static_cast<std::size_t>(i)].get(), i);
  EXPECT_EQ(mine->map(twice, std::views::iota(0, 100))[99], 198);
  for (const PoolWorker& worker : mine->workers()) EXPECT_EQ(worker.replaced, 0U);
}

TEST_P(Surroundings, AChildOfTheProgramMayHaveAPoolOfItsOwn) {
  EXPECT_EQ(pool().submit(twice, 1).get(), 2);
  EXPECT_EQ(in_a_process([] { return ProcessPool(options()).submit(twice, 21).get(); }), 42);
  EXPECT_EQ(pool().submit(twice, 1).get(), 2);
}

TEST_P(Surroundings, StandardStreamsMayBeClosed) {
  for (int closed = 1; closed < 8; ++closed) {
    EXPECT_EQ(in_a_process([&] {
                for (int fd = 0; fd < 3; ++fd) {
                  if ((closed & 1 << fd) != 0) ::close(fd);
                }
                ProcessPool pool(options());
                if (pool.map(twice, std::views::iota(0, 1'000))[999] != 1'998) return 1;
                const auto large = [](int bytes) {
                  std::printf("printed by a call\n");
                  return std::string(static_cast<std::size_t>(bytes), 'x');
                };
                if (pool.submit(large, 2'000'000).get().size() != 2'000'000) return 2;
                if (crash_of(pool.submit([] { return ::raise(SIGKILL); }).outcome()) != SIGKILL) return 3;
                return pool.map(twice, std::views::iota(0, 1'000))[999] == 1'998 ? 0 : 4;
              }),
              0)
        << "closed: " << closed;
  }
}

TEST_P(Surroundings, WhatCallsPrintIsThereWhenTheyHaveEndedAndTheProgramsOwnIsNotPrintedTwice) {
  const UniqueFd file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_TRUE(file);
  EXPECT_EQ(in_a_process([&] {
              ::dup2(file.get(), STDOUT_FILENO);
              ::dup2(file.get(), STDERR_FILENO);
              std::printf("[program]");  // not flushed
              std::atexit([] { std::printf("[ended]"); });
              ProcessPool pool(options());
              static_cast<void>(pool.submit([] { return std::printf("a call\n"); }).get());
              std::string now(100, '\0');
              now.resize(static_cast<std::size_t>(::pread(file.get(), now.data(), now.size(), 0)));
              if (now != "[program]a call\n") return 1;
              const auto leave = [] {
                std::printf("leaves");
                std::exit(3);
                return 0;
              };
              return crash_of(pool.submit(leave).outcome()) == 0 ? 0 : 2;
            }),
            0);
  std::string all(100, '\0');
  all.resize(static_cast<std::size_t>(::pread(file.get(), all.data(), all.size(), 0)));
  EXPECT_EQ(all, "[program]a call\nleaves");
}

TEST_P(Surroundings, AChildThatACallForkedDoesNotAnswerForIt) {
  const auto forks = [](int x) {
    if (::fork() == 0) throw std::runtime_error("the child comes back");
    ::usleep(50'000);
    return x;
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(pool().submit(forks, i).get(), i);
}

TEST_P(Surroundings, ALibraryWhoseFunctionsCanBeCalledStaysLoaded) {
  void* library = ::dlopen(RUNNER_FOREIGN_LIBRARY, RTLD_NOW);
  ASSERT_NE(library, nullptr) << ::dlerror();
  const auto answer = reinterpret_cast<int (*)()>(::dlsym(library, "foreign_answer"));
  EXPECT_EQ(pool().submit(answer).get(), 42);
  ::dlclose(library);
  EXPECT_EQ(pool().submit(answer).get(), 42);
  destroy();
  EXPECT_EQ(::dlopen(RUNNER_FOREIGN_LIBRARY, RTLD_NOW | RTLD_NOLOAD), nullptr) << "nobody uses it any more";
}

TEST_P(Surroundings, ADeathThatNobodyCanExplainIsStillOneOfThatCall) {
  EXPECT_EQ(in_a_process([] {
              ::signal(SIGCHLD, SIG_IGN);
              ProcessPool pool(options());
              const auto outcome = pool.submit([] { return ::raise(SIGKILL); }).outcome();
              if (!ended_as<Crashed>(outcome)) return 1;
              if (std::string(outcome.error().what()).find("SIGCHLD") == std::string::npos) return 2;
              return pool.submit(twice, 1).get() == 2 ? 0 : 3;
            }),
            0);
}

}  // namespace
}  // namespace runner
