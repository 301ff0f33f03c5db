#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <runner/blob.hpp>
#include <runner/unique_fd.hpp>
#include <system_error>

#include "bench/pool/sections.hpp"
#include "bench/pool/work.hpp"

namespace runner::bench {

namespace {

constexpr std::size_t kLarge = std::size_t{64} << 20;
constexpr std::size_t kPage = 4096;

// Not two pages of it begin alike.
const std::vector<std::byte>& large_bytes() {
  static const std::vector<std::byte> bytes = [] {
    std::vector<std::byte> made(kLarge);
    for (std::size_t i = 0; i < kLarge; ++i) made[i] = static_cast<std::byte>(i * 31 + i / kPage * 7);
    return made;
  }();
  return bytes;
}

// Of one byte per page, so that each page was seen, and of the size.
std::uint64_t receipt(std::span<const std::byte> bytes) {
  std::uint64_t sum = bytes.size();
  for (std::size_t i = 0; i < bytes.size(); i += kPage) sum = sum * 31 + static_cast<std::uint64_t>(bytes[i]);
  return sum;
}
std::uint64_t receipt_of_blob(const Blob& blob) { return receipt(blob.bytes()); }

// Made with the first call in each worker.
Blob give_large() { return Blob::view_of(large_bytes()); }

class FreshPages {
 public:
  FreshPages() : fd_(::memfd_create("runner-bench", MFD_CLOEXEC)) {
    if (!fd_ || ::ftruncate(fd_.get(), static_cast<off_t>(kLarge)) < 0) refuse("memfd_create");
    start_ = ::mmap(nullptr, kLarge, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (start_ == MAP_FAILED) refuse("mmap");
  }
  ~FreshPages() { ::munmap(start_, kLarge); }
  FreshPages(const FreshPages&) = delete;
  FreshPages& operator=(const FreshPages&) = delete;
  [[nodiscard]] std::span<std::byte> bytes() const { return {static_cast<std::byte*>(start_), kLarge}; }

 private:
  [[noreturn]] static void refuse(const char* call) { throw std::system_error(errno, std::generic_category(), call); }
  UniqueFd fd_;
  void* start_ = MAP_FAILED;
};

Seconds copy_to(std::span<std::byte> to) {
  return seconds_of([&] {
    std::memcpy(to.data(), large_bytes().data(), kLarge);
    asm volatile("" : : "r"(to.data()) : "memory");  // somebody may read it
  });
}

}  // namespace

void large(Table& table, const Scale&) {
  ProcessPool pool({.procs = 1});
  const std::uint64_t right = receipt(large_bytes());
  const FreshPages warm;

  const auto argument = [&] {
    std::uint64_t found = 0;
    const Seconds took = seconds_of([&] { found = pool.submit(receipt_of_blob, Blob::view_of(large_bytes())).get(); });
    expect(found == right, "a large argument");
    return took;
  };
  const auto result = [&] {
    std::uint64_t found = 0;
    const Seconds took = seconds_of([&] { found = receipt_of_blob(pool.submit(give_large).get()); });
    expect(found == right, "a large result");
    return took;
  };
  const auto copy_fresh = [&] {
    return seconds_of([&] {
      const FreshPages fresh;
      static_cast<void>(copy_to(fresh.bytes()));
      expect(fresh.bytes()[kLarge - 1] == large_bytes().back(), "memcpy");
    });
  };
  const auto copy_warm = [&] {
    const Seconds took = copy_to(warm.bytes());
    expect(receipt(warm.bytes()) == right, "memcpy");
    return took;
  };
  table.compare({"64 MiB argument : memcpy, fresh pages", argument, copy_fresh, at_least(0.8), {}});
  table.compare({"  the same : memcpy, warm", argument, copy_warm, {}, {}});
  table.compare({"64 MiB result : memcpy, fresh pages", result, copy_fresh, at_least(0.8), {}});
  table.compare({"  the same : memcpy, warm", result, copy_warm, {}, {}});
}

}  // namespace runner::bench
