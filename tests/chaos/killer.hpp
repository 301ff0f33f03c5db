// killer.hpp - a process beside the test that kills, stops and continues workers at random.
//
// Called from  the test, while it has one thread: the killer is forked before the pool, so it shares nothing with it but a page.
// Owns         the killer's process; it ends with the object, and with the test. Whom it stopped it continues first.
// Never        signals a process that is no child of the test: a number may have been given to somebody else since.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace runner {

inline constexpr std::size_t kMostVictims = 8;

// In memory that both processes see.
struct KillerPage {
  std::atomic<int> victims[kMostVictims];  // pids of workers, as the test last saw them; 0: none
  std::atomic<bool> armed{false}, over{false};
  std::atomic<bool> steady{false};                // a kill every 5 ms and nothing else, instead of anything at any time
  std::atomic<std::uint64_t> kills{0}, stops{0};  // counted before the signal goes
};

class Killer {
 public:
  explicit Killer(KillerPage& page);
  ~Killer();
  Killer(const Killer&) = delete;
  Killer& operator=(const Killer&) = delete;

 private:
  KillerPage& page_;
  pid_t pid_;
};

}  // namespace runner
