#include "ipc/arena.hpp"

#include <algorithm>
#include <boost/interprocess/indexes/null_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>
#include <initializer_list>
#include <new>
#include <utility>

namespace runner::ipc {

namespace bip = boost::interprocess;

namespace {
constexpr std::size_t kPage = 4096, kStep = std::size_t{64} << 10;
}

struct Arena::Manager {
  // No names, no locks: a bare allocator over memory that we were given.
  bip::basic_managed_external_buffer<char, bip::rbtree_best_fit<bip::null_mutex_family>, bip::null_index> buffer;
};

Result<Arena> Arena::create(const SharedRegion& region, std::size_t offset) {
  const std::size_t bytes = region.size() - offset, first = std::min(bytes, kStep), last = std::min(bytes, kPage);
  // The allocator writes at both ends of its memory.
  for (const auto& [from, length] : {std::pair(offset, first), std::pair(region.size() - last, last)}) {
    if (Result<void> there = allocate_pages(region.fd(), from, length); !there) return tl::unexpected(there.error());
  }
  return Arena(region.bytes().subspan(offset), region.fd(), offset, first);
}

Arena::Arena(std::span<std::byte> memory, int fd, std::size_t offset, std::size_t taken)
    : memory_(memory),
      fd_(fd),
      offset_(offset),
      taken_(taken),
      manager_(std::make_unique<Manager>(Manager{{bip::create_only, memory.data(), memory.size()}})) {}
Arena::Arena(Arena&&) noexcept = default;
Arena& Arena::operator=(Arena&&) noexcept = default;
Arena::~Arena() = default;

bool Arena::grow_to(std::size_t bytes) {
  if (bytes <= taken_ || taken_ == memory_.size()) return true;
  const std::size_t more = std::min(memory_.size(), (bytes + kStep - 1) / kStep * kStep);
  if (!allocate_pages(fd_, offset_ + taken_, more - taken_)) return false;
  taken_ = more;
  return true;
}

std::optional<std::uint64_t> Arena::allocate(std::size_t bytes) {
  // A place begins no further than at the end of all that were, but for the allocator's own words before and behind it.
  if (bytes > memory_.size() || !grow_to(most_used_ + bytes + kPage)) return std::nullopt;
  void* place = manager_->buffer.allocate(bytes, std::nothrow);
  if (place == nullptr) return std::nullopt;
  ++live_;
  const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(place) - memory_.data());
  most_used_ = std::max(most_used_, offset + bytes);
  return offset;
}

void Arena::free(std::uint64_t offset) {
  manager_->buffer.deallocate(memory_.data() + offset);
  --live_;
}

bool Arena::empty() const { return live_ == 0; }

}  // namespace runner::ipc
