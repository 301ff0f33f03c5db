#include "worker/capture.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "ipc/os.hpp"

namespace runner::worker {

namespace {

Result<UniqueFd> unnamed_file() {
  const char* wanted = std::getenv("TMPDIR");
  const std::string folder = wanted != nullptr && *wanted != '\0' ? wanted : "/tmp";
  UniqueFd fd(os::retry("open", ::open, folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  // Not every file system knows O_TMPFILE.
  std::string name = folder + "/runner-output-XXXXXX";
  fd.reset(os::call("mkostemp", ::mkostemp, name.data(), O_CLOEXEC));
  if (!fd) return os::failure("keep output beyond 1 MiB in a file in " + folder, "mkostemp");
  ::unlink(name.c_str());
  return fd;
}

}  // namespace

Result<void> Capture::append(std::string_view bytes) {
  if (captured_.spill) return spill(bytes);
  if (captured_.text.size() + bytes.size() <= Captured::kCaptureInMemory) {
    captured_.text.append(bytes);
    captured_.bytes = captured_.text.size();
    return {};
  }
  captured_.bytes = 0;
  Result<void> moved = to_file();
  if (moved) moved = spill(captured_.text);
  if (moved) moved = spill(bytes);
  if (!moved) {  // all that came before is still in memory
    captured_.spill.reset();
    captured_.bytes = captured_.text.size();
  }
  return moved;
}

Result<void> Capture::to_file() {
  Result<UniqueFd> file = unnamed_file();
  if (!file) return tl::unexpected(file.error());
  captured_.spill = std::move(*file);
  return {};
}

// Counts what is really in the file.
Result<void> Capture::spill(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put =
        os::retry("write", ::write, captured_.spill.get(), static_cast<const void*>(bytes.data()), bytes.size());
    if (put < 0) return os::failure("keep output in a temporary file", "write");
    captured_.bytes += static_cast<std::uint64_t>(put);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Captured Capture::take() {
  if (captured_.spill) {
    captured_.text.resize(Captured::kCaptureTail);
    const auto from = static_cast<off_t>(captured_.bytes - Captured::kCaptureTail);
    const ssize_t got = os::retry("pread", ::pread, captured_.spill.get(), static_cast<void*>(captured_.text.data()),
                                  captured_.text.size(), from);
    captured_.text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  }
  return std::exchange(captured_, {});
}

}  // namespace runner::worker
