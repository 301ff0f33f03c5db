// room_for_workers.hpp - whether this process may have so many workers: said before the first of them, not after some hundred.
//
// What is looked at are limits that such a number is sure to meet. Others are met where they are, by the call that fails.
//
// Called from  process_crew, when it opens and when it grows; the command line, before.
// Owns         nothing.
// Fails with   system: the limit, what would be needed, and what to change.
#pragma once

#include <cstdint>
#include <optional>

#include <runner/result.hpp>
#include <runner/units.hpp>

namespace runner::master {

// `open` are open already.
[[nodiscard]] Result<void> enough_descriptors(std::uint32_t procs, std::uint64_t open, std::uint64_t limit);
// Each worker takes about six descriptors of ours, and what is on its way to it counts too; a limit that the system lets us raise
// should stop nobody. `shared`: segments that every worker is sent.
void allow_descriptors(std::uint32_t procs, std::uint32_t shared);
// The same for this process, as it is now.
[[nodiscard]] Result<void> enough_descriptors(std::uint32_t procs);

// Memory that is shared with all workers, and with each; `limit` is that of the cgroup.
[[nodiscard]] Result<void> enough_memory(std::uint32_t procs, Bytes shared_once, Bytes shared_each, std::optional<Bytes> limit);

}  // namespace runner::master
