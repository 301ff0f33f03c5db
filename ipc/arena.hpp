// arena.hpp - places for payloads inside one shared region, handed out by the one process that writes it.
//
// boost::interprocess::managed_external_buffer with its null mutex: one owner, one thread, no lock to die with. The other side
// never sees the allocator's data as anything but bytes it is told offsets into.
//
// Called from  the owner's thread.
// Owns         the bookkeeping inside the region; the region must outlive it.
// Fails with   allocate answers nothing when there is no room: the caller then sends the payload in a memfd of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace runner::ipc {

class Arena {
 public:
  explicit Arena(std::span<std::byte> memory);
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
  std::span<std::byte> memory_;
  std::unique_ptr<Manager> manager_;
  std::size_t live_ = 0;
};

}  // namespace runner::ipc
