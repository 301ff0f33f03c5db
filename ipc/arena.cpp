#include "ipc/arena.hpp"

#include <boost/interprocess/indexes/null_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>
#include <new>

namespace runner::ipc {

namespace bip = boost::interprocess;

struct Arena::Manager {
  // No names, no locks: a bare allocator over memory that we were given.
  bip::basic_managed_external_buffer<char, bip::rbtree_best_fit<bip::null_mutex_family>, bip::null_index> buffer;
};

Arena::Arena(std::span<std::byte> memory)
    : memory_(memory), manager_(std::make_unique<Manager>(Manager{{bip::create_only, memory.data(), memory.size()}})) {}
Arena::Arena(Arena&&) noexcept = default;
Arena& Arena::operator=(Arena&&) noexcept = default;
Arena::~Arena() = default;

std::optional<std::uint64_t> Arena::allocate(std::size_t bytes) {
  void* place = manager_->buffer.allocate(bytes, std::nothrow);
  if (place == nullptr) return std::nullopt;
  ++live_;
  return static_cast<std::uint64_t>(static_cast<std::byte*>(place) - memory_.data());
}

void Arena::free(std::uint64_t offset) {
  manager_->buffer.deallocate(memory_.data() + offset);
  --live_;
}

bool Arena::empty() const { return live_ == 0; }

}  // namespace runner::ipc
