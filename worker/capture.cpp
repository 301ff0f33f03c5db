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
  captured_.bytes += bytes.size();
  if (captured_.bytes <= Captured::kCaptureInMemory) {
    captured_.text.append(bytes);
    return {};
  }
  if (!captured_.spill) {
    Result<UniqueFd> file = unnamed_file();
    if (!file) return tl::unexpected(file.error());
    captured_.spill = std::move(*file);
    if (Result<void> moved = spill(captured_.text); !moved) return moved;
    captured_.text.clear();
  }
  return spill(bytes);
}

Result<void> Capture::spill(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put =
        os::retry("write", ::write, captured_.spill.get(), static_cast<const void*>(bytes.data()), bytes.size());
    if (put < 0) return os::failure("keep output in a temporary file", "write");
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
