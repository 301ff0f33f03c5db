#include "ipc/inbound.hpp"

#include <utility>

namespace runner::ipc {

Result<Inbound> Inbound::create(std::size_t arena_bytes) {
  Result<SharedRegion> region =
      SharedRegion::create("runner-in", arena_offset() + arena_bytes, Access::read_only, Pages::as_needed);
  if (!region) return tl::unexpected(region.error());
  if (Result<void> page = allocate_pages(region->fd(), 0, arena_offset()); !page) return tl::unexpected(page.error());
  Result<Arena> arena = Arena::create(*region, arena_offset());
  if (!arena) return tl::unexpected(arena.error());
  return Inbound(std::move(*region), std::move(*arena));
}

}  // namespace runner::ipc
