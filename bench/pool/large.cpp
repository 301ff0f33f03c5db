#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
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

// A file of that size, most of it a hole.
class InputFile {
 public:
  explicit InputFile(std::size_t bytes)
      : path_(std::filesystem::temp_directory_path() / fmt::format("runner-bench-{}-{}", ::getpid(), bytes)) {
    const UniqueFd file(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) < 0)
      throw std::system_error(errno, std::generic_category(), path_);
  }
  ~InputFile() { ::unlink(path_.c_str()); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The size of the input, of which it looks at both ends.
std::uint64_t look_at_input(int, JobContext& context) {
  const std::span<const std::byte> input = context.shared().bytes("input");
  return input.size() + static_cast<std::uint64_t>(input.front()) + static_cast<std::uint64_t>(input.back());
}

// A worker that is made, sees the input, and is gone again.
Seconds worker_with_input(const InputFile& file, std::size_t bytes) {
  std::uint64_t found = 0;
  const Seconds took = seconds_of([&] {
    ProcessPool pool({.procs = 1, .shared = {{"input", SharedFile{file.path()}}}});
    found = pool.submit(look_at_input, 0).get();
  });
  expect(found == bytes, "a shared input");
  return took;
}

}  // namespace

void large(Table& table, const Scale&) {
  {
    constexpr std::size_t gib = std::size_t{1} << 30, mib = std::size_t{1} << 20;
    const InputFile big(gib), small(mib);
    table.compare({"a worker with a shared input, 1 GiB : 1 MiB",
                   [&] { return worker_with_input(big, gib); },
                   [&] { return worker_with_input(small, mib); },
                   at_most(2.0),
                   {}});
  }
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
