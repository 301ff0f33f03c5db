// arena.hpp - places for payloads inside one shared region, handed out by the one process that writes it.
//
// boost::interprocess::managed_external_buffer with its null mutex: one owner, one thread, no lock to die with. The other side
// never sees the allocator's data as anything but bytes it is told offsets into.
//
// The memory behind it is taken as it is needed: places are handed out from the beginning on, so what is in use at the same time
// decides how far it grows.
//
// Called from  the owner's thread.
// Owns         the bookkeeping inside the region; the region must outlive it.
// Fails with   allocate answers nothing when there is no room, or no memory: the caller then sends the payload in a memfd of its own.
//              create: system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <runner/result.hpp>
#include "ipc/region.hpp"

namespace runner::ipc {

class Arena {
 public:
  // In `region` from `offset` on, to its end.
  [[nodiscard]] static Result<Arena> create(const SharedRegion& region, std::size_t offset);
  Arena(Arena&&) noexcept;
  Arena& operator=(Arena&&) noexcept;
  ~Arena();

  // The offset of `bytes` fresh bytes from the beginning of the memory.
  [[nodiscard]] std::optional<std::uint64_t> allocate(std::size_t bytes);
  void free(std::uint64_t offset);
  [[nodiscard]] std::span<std::byte> at(std::uint64_t offset, std::size_t bytes) const {
    return memory_.subspan(static_cast<std::size_t>(offset), bytes);
  }
  // Whether everything was given back; for tests.
  [[nodiscard]] bool empty() const;

 private:
  struct Manager;
  Arena(std::span<std::byte> memory, int fd, std::size_t offset, std::size_t taken);
  // Whether so much of the beginning of the memory is there.
  [[nodiscard]] bool grow_to(std::size_t bytes);

  std::span<std::byte> memory_;
  int fd_;                     // the region's
  std::size_t offset_;         // in the region
  std::size_t taken_;          // of the memory, from its beginning
  std::size_t most_used_ = 0;  // the end of the last place that was ever handed out
  std::unique_ptr<Manager> manager_;
  std::size_t live_ = 0;
};

}  // namespace runner::ipc
