// shared_pages.hpp - memory that a process shares with the children it forks: anonymous, so no name is left behind.
//
// Called from  the parent, before it forks.
// Owns         the mapping of this process; the pages go with the last process that maps them.
// Fails with   std::bad_alloc.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace runner::bench {

class SharedPages {
 public:
  explicit SharedPages(std::size_t bytes)
      : bytes_(bytes), start_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (start_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~SharedPages() { ::munmap(start_, bytes_); }
  SharedPages(const SharedPages&) = delete;
  SharedPages& operator=(const SharedPages&) = delete;

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(start_); }

 private:
  std::size_t bytes_;
  void* start_;
};

}  // namespace runner::bench
