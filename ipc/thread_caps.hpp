// thread_caps.hpp - how many threads the libraries of a job may start: environment variables that a run sets before it starts anybody.
//
// Eight workers whose BLAS starts eight threads each are slower than eight that start one. A variable that the user has set stays.
// Whoever starts a program reads from kMark which of them are ours, so that a job that takes several processors gets its share.
//
// Called from  master, before any other thread is there, sets them; worker/spawn.cpp makes those of a job.
// Owns         nothing.
// Fails with   set: system, when there is no memory for the environment.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <runner/result.hpp>

namespace runner::ipc {

inline constexpr std::array<const char*, 7> kThreadCaps = {"OMP_NUM_THREADS",  "OPENBLAS_NUM_THREADS",   "MKL_NUM_THREADS",
                                                           "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
                                                           "TBB_NUM_THREADS"};
// "2:OMP_NUM_THREADS,MKL_NUM_THREADS": threads for each place, and the variables that we set. No program gets it.
inline constexpr const char* kMark = "RUNNER_THREAD_CAPS";
// What a program finds: how many processors it may keep busy.
inline constexpr const char* kCpus = "RUNNER_CPUS";

struct ThreadCaps {
  std::uint32_t threads = 1;             // for each place
  std::vector<std::string_view> ours;    // variables
  std::vector<std::string_view> theirs;  // that were there already

  // What would be set in this environment.
  [[nodiscard]] static ThreadCaps plan(std::uint32_t threads);
  // What was; `mark` is the value of kMark and must outlive it. Without any, nothing is ours.
  [[nodiscard]] static ThreadCaps of(std::string_view mark);
  [[nodiscard]] Result<void> set() const;
};

}  // namespace runner::ipc
