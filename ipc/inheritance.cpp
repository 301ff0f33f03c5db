#include "ipc/inheritance.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>

#include "ipc/os.hpp"

namespace runner::ipc {

namespace detail {
std::uint32_t forks = 0;
}

namespace {
// Without it a forked child would take our workers for its own.
[[maybe_unused]] const bool counting = [] {
  if (::pthread_atfork(nullptr, nullptr, [] { ++detail::forks; }) != 0) std::abort();
  return true;
}();
}  // namespace

void fill_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // The lowest that is free is taken: this one, as those below it are open.
    if (::fcntl(fd, F_GETFD) < 0)
      static_cast<void>(os::retry("open", ::open, "/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY));
  }
}

}  // namespace runner::ipc
