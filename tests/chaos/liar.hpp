// liar.hpp - everything that a worker could do to its master with what it was given, and must not.
//
//   A trick is played in a worker process that has a request in hand. It goes on for a while, or until the master has had enough.
//
// Called from  malicious_worker.cpp, and user code in a worker of a pool (grip_of_this_process).
// Owns         mappings and descriptors of its own; they end with the process.
// Never        touches what belongs to another worker, or the machine: memory that it asks for is never filled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <vector>

namespace runner::chaos {

// What a worker has of its connection: -1 and empty where its transport has none.
struct Grip {
  int control = -1;
  int channel_fd = -1, in_fd = -1, out_fd = -1, doorbell = -1;  // shm
  int requests = -1, replies = -1;                              // pipe
  int shared_file = -1;
  std::span<std::byte> channel, out;
  std::span<const std::byte> in;
};
// Of the worker that this code runs in, found among its open files.
[[nodiscard]] Grip grip_of_this_process();
// Maps what the descriptors of `grip` are.
void map(Grip& grip);

using Random = std::mt19937_64;
struct Trick {
  const char* name;
  void (*play)(const Grip& grip, Random& random);
};
[[nodiscard]] std::span<const Trick> tricks_with_memory();
[[nodiscard]] std::span<const Trick> tricks_with_pipes();
[[nodiscard]] const Trick* find_trick(std::span<const Trick> tricks, std::string_view name);

// With what status a process leaves that could write where it must not.
inline constexpr int kBreach = 99;
// Tries every way of writing to what is for reading only; leaves with kBreach when one succeeds.
void try_to_write(int fd, std::span<const std::byte> mapped);

}  // namespace runner::chaos
