// trial.hpp - one run of a batch under one model, in a process of its own: what it took, and a hash of every result.
//
// The process is forked, so that each trial starts from the same memory, its processor time and peak memory are its own, and a job
// that kills its program costs one trial. Nothing that a job prints is seen.
//
// Called from  the main thread, which must be the only one.
// Owns         the memory that it shares with the process.
// Fails with   system; or the words why this model cannot run the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <runner/batch.hpp>
#include <runner/registry.hpp>
#include "cli/interruption.hpp"
#include "cli/options.hpp"
#include "report/comparison.hpp"

namespace runner::cli {

// Of each job's outcome, by its number: in memory that a trial's process shares with us.
class ResultHashes {
 public:
  // Jobs beyond `kMost` are only summed up.
  static constexpr std::uint64_t kMost = std::uint64_t{4} << 20;
  [[nodiscard]] static Result<ResultHashes> make(std::uint64_t jobs);
  ~ResultHashes();
  ResultHashes(ResultHashes&& other) noexcept;
  ResultHashes(const ResultHashes&) = delete;
  ResultHashes& operator=(const ResultHashes&) = delete;

  struct Shared {
    std::uint64_t sum;  // of all, whatever their order
    std::uint64_t left_out;
    char left_out_job[256];  // the first one
    std::uint64_t not_ok;
    char not_ok_job[256];  // the first one
    char crashed_job[256];
    std::int32_t signal;
  };
  [[nodiscard]] Shared& shared() const { return *static_cast<Shared*>(memory_); }
  [[nodiscard]] std::span<std::uint64_t> jobs() const;
  void clear() const;

 private:
  ResultHashes(void* memory, std::uint64_t jobs) : memory_(memory), jobs_(jobs) {}
  void* memory_ = nullptr;
  std::uint64_t jobs_ = 0;
};

struct Tried {
  report::Sample sample;
  std::string why_not;  // empty: all is well
  bool interrupted = false;
};

[[nodiscard]] Result<Tried> try_out(const RunOptions& options, std::uint32_t procs, Batch& batch, Registry& registry,
                                    const ResultHashes& hashes, const Interruption& interruption);

}  // namespace runner::cli
