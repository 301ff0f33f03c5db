// nonsense.hpp - numbers, texts and replies of the sort that breaks readers: at the edges of what is allowed, and far beyond.
//
// Called from  tests and test programs.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "ipc/slot.hpp"

namespace runner::chaos {

// Small, near a power of two, or anything.
inline std::uint64_t number(std::mt19937_64& random) {
  switch (random() % 4) {
    case 0: return random() % 300;
    case 1: return (std::uint64_t{1} << random() % 64) + random() % 3 - 1;
    case 2: return ~std::uint64_t{0} - random() % 300;
    default: return random();
  }
}

inline std::string garbage(std::mt19937_64& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& one : text) one = static_cast<char>(random());
  return text;
}

// All that a worker writes before DONE, mostly well-formed.
inline void forge_reply(ipc::Slot& slot, std::mt19937_64& random) {
  slot.reply_place = static_cast<ipc::Place>(random() % 8 == 0 ? random() : random() % 3);
  slot.last_part = static_cast<ipc::LastPart>(random() % 8 == 0 ? random() : random() % 3);
  slot.reply_files = static_cast<std::uint32_t>(random() % 2 == 0 ? 0 : number(random));
  slot.reply_bytes = number(random);
  slot.reply_offset = number(random);
  slot.stream_offset = number(random);
  slot.started_ns = number(random);
  slot.finished_ns = number(random);
  slot.progress.store(random() % 2 == 0 ? random() % 3 : number(random));
}

}  // namespace runner::chaos
