// content_key.hpp - what makes a job the same job in another run, as 128 bits.
//
// The hash is SipHash-2-4 with its 128-bit output and a fixed key (J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast
// short-input PRF", 2012): some 30 ns for a small job, and among ten million jobs two that differ have the same key with a
// chance of 10^-25. It is part of the file format: docs/decisions/0015.
//
// Called from  any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <runner/job_spec.hpp>

namespace runner::report {

struct ContentKey {
  std::uint64_t low = 0, high = 0;
  auto operator<=>(const ContentKey&) const = default;
};

[[nodiscard]] ContentKey content_key(std::span<const std::byte> content);

// The form in which a command is hashed and kept: program, arguments, input, folder, variables. Limits may change without making it
// another job.
[[nodiscard]] std::string work_form(const CommandWork& command);
// Throws WireError on other bytes.
[[nodiscard]] CommandWork command_of(std::span<const std::byte> form);

// What is hashed: kind, work and matrix values, each with its length in front. `out` is overwritten.
void content_of(const JobSpec& job, std::string& out);

// Size and time of last change of all files that the job reads, or that one is not there; 0 when it reads none.
[[nodiscard]] std::uint64_t inputs_now(const JobSpec& job);

}  // namespace runner::report
