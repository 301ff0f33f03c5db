// region.hpp - one piece of memory that two processes map: a memfd without a name, its size sealed.
//
// Nothing leaks when everybody dies, and the small /dev/shm of a container does not matter. Pages are allocated before they are
// written, so that running out of memory is an error here and never a SIGBUS later.
//
// Called from  create: the process that owns the region. open: the other one, with the descriptor it was sent.
// Owns         the descriptor and the mapping (boost::interprocess::mapped_region). Not inherited by fork: a child of a job
//              must not keep a channel alive.
// Fails with   system: no memfd, no memory. protocol: a descriptor whose size or seals are not as announced.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstddef>
#include <memory>
#include <span>

#include "runner/result.hpp"
#include "runner/unique_fd.hpp"
#include "runner/wire.hpp"

namespace runner::ipc {

enum class Access { read_only, read_write };
// as_needed: by whoever writes them, with allocate_pages(). To allocate a page is to zero it, which takes its time.
enum class Pages { now, as_needed };

class SharedRegion {
 public:
  SharedRegion() = default;

  // `others`: read_write lets every process that gets the descriptor map it for writing; read_only seals it so that only
  // this mapping can write.
  [[nodiscard]] static Result<SharedRegion> create(const char* name, std::size_t bytes, Access others,
                                                   Pages pages = Pages::now);
  [[nodiscard]] static Result<SharedRegion> open(UniqueFd fd, std::size_t bytes, Access access);

  // A regular file of somebody else's, mapped read-only as it stands, the first `bytes` of it; none maps nothing. Nothing seals
  // it: a read where it was shortened since is a SIGBUS.
  [[nodiscard]] static Result<SharedRegion> open_file(UniqueFd fd, std::size_t bytes);

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(mapping_.get_address()); }
  [[nodiscard]] std::size_t size() const { return mapping_.get_size(); }
  [[nodiscard]] std::span<std::byte> bytes() const { return {data(), size()}; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  // The mapping stays; the descriptor is not needed any more.
  void close_fd() { fd_.reset(); }

 private:
  [[nodiscard]] static Result<SharedRegion> adopt(UniqueFd fd, std::size_t bytes, Access access);

  UniqueFd fd_;
  boost::interprocess::mapped_region mapping_;
};

[[nodiscard]] Result<void> allocate_pages(int fd, std::size_t offset, std::size_t bytes);

// A payload too large for an arena travels as a memfd of its own, sealed by whoever wrote it, mapped by the other side
// without a copy.
// seal_payload makes one of `content`, which takes `bytes`; it is written, not mapped, so that missing memory is an error.
// open_payload accepts a descriptor only if it is a memfd of exactly `bytes`, sealed against every change: anything else is a
// protocol error.
[[nodiscard]] Result<UniqueFd> seal_payload(const WireContent& content, std::size_t bytes);
[[nodiscard]] Result<std::shared_ptr<const SharedRegion>> open_payload(UniqueFd fd, std::size_t bytes);

}  // namespace runner::ipc
