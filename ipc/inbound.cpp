#include "ipc/inbound.hpp"

#include <utility>

namespace runner::ipc {

Result<Inbound> Inbound::create(std::size_t arena_bytes) {
  Result<SharedRegion> region = SharedRegion::create("runner-in", arena_offset() + arena_bytes, Access::read_only);
  if (!region) return tl::unexpected(region.error());
  Arena arena(region->bytes().subspan(arena_offset()));
  return Inbound(std::move(*region), std::move(arena));
}

}  // namespace runner::ipc
