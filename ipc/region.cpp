#include "ipc/region.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/interprocess/exceptions.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "ipc/os.hpp"

namespace runner::ipc {

namespace bip = boost::interprocess;

namespace {

// What mapped_region asks of a memory object.
struct Mappable {
  int fd;
  [[nodiscard]] bip::mapping_handle_t get_mapping_handle() const {
    bip::mapping_handle_t handle{};
    handle.handle = fd;
    handle.is_xsi = false;
    return handle;
  }
};

Result<bip::mapped_region> map(int fd, std::size_t bytes, Access access) {
  // The library maps by itself; the seam is asked first so that a test can refuse it.
  if (os::call("mmap", [] { return 0; }) != 0) return os::failure("map shared memory", "mmap");
  try {
    bip::mapped_region mapping(Mappable{fd}, access == Access::read_only ? bip::read_only : bip::read_write, 0, bytes);
    return mapping;
  } catch (const bip::interprocess_exception& error) {
    return os::failure("map shared memory", "mmap", error.get_native_error());
  }
}

// More than RLIMIT_FSIZE, which counts for memfds too. Asked before, because the kernel would send SIGXFSZ, and whether that ends
// the program is not for a library to decide.
bool is_no_file_size(std::size_t bytes) {
  rlimit limit{};
  return os::call("getrlimit", [&] { return ::getrlimit(RLIMIT_FSIZE, &limit); }) == 0 && bytes > limit.rlim_cur;
}

Result<UniqueFd> memfd(const char* name) {
  UniqueFd fd(os::call("memfd_create", ::memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return os::failure("make shared memory", "memfd_create");
  return fd;
}

}  // namespace

// fallocate, not a sparse file: missing memory is an error now, not a SIGBUS in the middle of a job.
Result<void> allocate_pages(int fd, std::size_t offset, std::size_t bytes) {
  if (bytes == 0 || os::retry("fallocate", ::fallocate, fd, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0) {
    return {};
  }
  return os::failure("allocate " + std::to_string(bytes) + " bytes of shared memory", "fallocate");
}

Result<SharedRegion> SharedRegion::create(const char* name, std::size_t bytes, Access others, Pages pages) {
  Result<UniqueFd> fd = memfd(name);
  if (!fd) return tl::unexpected(fd.error());
  if (is_no_file_size(bytes)) return os::failure("size shared memory", "ftruncate", EFBIG);
  if (os::retry("ftruncate", ::ftruncate, fd->get(), static_cast<off_t>(bytes)) != 0) {
    return os::failure("size shared memory", "ftruncate");
  }
  if (pages == Pages::now) {
    if (Result<void> allocated = allocate_pages(fd->get(), 0, bytes); !allocated) return tl::unexpected(allocated.error());
  }
  Result<bip::mapped_region> mapping = map(fd->get(), bytes, Access::read_write);
  if (!mapping) return tl::unexpected(mapping.error());
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | (others == Access::read_only ? F_SEAL_FUTURE_WRITE : 0);
  if (os::call("fcntl", ::fcntl, fd->get(), F_ADD_SEALS, seals) != 0) return os::failure("seal shared memory", "fcntl");
  if (os::call("madvise", ::madvise, mapping->get_address(), bytes, MADV_DONTFORK) != 0) {
    return os::failure("keep shared memory from children", "madvise");
  }
  SharedRegion region;
  region.fd_ = std::move(*fd);
  region.mapping_ = std::move(*mapping);
  return region;
}

Result<SharedRegion> SharedRegion::open(UniqueFd fd, std::size_t bytes, Access access) {
  struct stat info{};
  if (os::call("fstat", ::fstat, fd.get(), &info) != 0) return os::failure("look at shared memory", "fstat");
  if (static_cast<std::size_t>(info.st_size) != bytes) {
    return fail(ErrorCode::protocol, "a shared region has " + std::to_string(info.st_size) + " bytes where " +
                                         std::to_string(bytes) + " were announced");
  }
  const int seals = os::call("fcntl", ::fcntl, fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return fail(ErrorCode::protocol, "a shared region is not sealed against shrinking");
  }
  return adopt(std::move(fd), bytes, access);
}

Result<SharedRegion> SharedRegion::open_file(UniqueFd fd, std::size_t bytes) {
  struct stat info{};
  if (os::call("fstat", ::fstat, fd.get(), &info) != 0) return os::failure("look at a shared file", "fstat");
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::protocol, "a shared file is no regular file");
  if (bytes != 0) return adopt(std::move(fd), bytes, Access::read_only);
  SharedRegion region;  // there is no mapping of nothing
  region.fd_ = std::move(fd);
  return region;
}

Result<SharedRegion> SharedRegion::adopt(UniqueFd fd, std::size_t bytes, Access access) {
  Result<bip::mapped_region> mapping = map(fd.get(), bytes, access);
  if (!mapping) return tl::unexpected(mapping.error());
  if (os::call("madvise", ::madvise, mapping->get_address(), bytes, MADV_DONTFORK) != 0) {
    return os::failure("keep shared memory from children", "madvise");
  }
  SharedRegion region;
  region.fd_ = std::move(fd);
  region.mapping_ = std::move(*mapping);
  return region;
}

namespace {

constexpr int kImmutable = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr std::size_t kBuffer = std::size_t{128} << 10;

// Written with write(2): half the time of filling a fresh mapping, whose pages would be zeroed and faulted in one by one.
class FileSpill final : public WireSpill {
 public:
  explicit FileSpill(int fd) : fd_(fd) {}
  void take(std::span<const std::byte> bytes) override {
    while (!bytes.empty() && error_ == 0) {
      const ssize_t n = os::retry("write", ::write, fd_, static_cast<const void*>(bytes.data()), bytes.size());
      if (n < 0) {
        error_ = errno;
      } else {
        bytes = bytes.subspan(static_cast<std::size_t>(n));
      }
    }
  }
  [[nodiscard]] int error() const { return error_; }

 private:
  int fd_;
  int error_ = 0;
};

}  // namespace

Result<UniqueFd> seal_payload(const WireContent& content, std::size_t bytes) {
  Result<UniqueFd> fd = memfd("runner-payload");
  if (!fd) return fd;
  if (is_no_file_size(bytes)) return os::failure("fill " + std::to_string(bytes) + " bytes of shared memory", "write", EFBIG);
  FileSpill spill(fd->get());
  const std::unique_ptr<std::byte[]> buffer(new std::byte[std::min(bytes, kBuffer)]);
  ByteWriter out({buffer.get(), std::min(bytes, kBuffer)}, spill);
  content.write(out);
  out.flush();
  if (spill.error() != 0)
    return os::failure("fill " + std::to_string(bytes) + " bytes of shared memory", "write", spill.error());
  if (os::call("fcntl", ::fcntl, fd->get(), F_ADD_SEALS, kImmutable | F_SEAL_SEAL) != 0) {
    return os::failure("seal shared memory", "fcntl");
  }
  return fd;
}

Result<std::shared_ptr<const SharedRegion>> open_payload(UniqueFd fd, std::size_t bytes) {
  const int seals = os::call("fcntl", ::fcntl, fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kImmutable) != kImmutable) {
    return fail(ErrorCode::protocol, "a payload is not a memfd sealed against shrinking, growing and writing");
  }
  Result<SharedRegion> region = SharedRegion::open(std::move(fd), bytes, Access::read_only);
  if (!region) return tl::unexpected(region.error());
  region->close_fd();
  return std::make_shared<const SharedRegion>(std::move(*region));
}

}  // namespace runner::ipc
