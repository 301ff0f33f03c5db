#include "report/store/store_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <thread>

#include "ipc/os.hpp"

namespace runner::report {

namespace {

constexpr off_t kByte = off_t{1} << 62;  // SQLite's own locks are at 2^30
constexpr auto kMoment = std::chrono::milliseconds(200);
constexpr auto kLongestDeath = std::chrono::seconds(30);

struct flock whole_lock(short type) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = kByte;
  lock.l_len = 1;
  return lock;
}

// Whether it has been killed, or is on its way out, or is gone.
bool is_dying(pid_t pid) {
  std::ifstream stat_file(fmt::format("/proc/{}/stat", pid));
  const std::string stat{std::istreambuf_iterator<char>(stat_file), {}};
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return true;
  std::istringstream rest(stat.substr(name_end + 1));
  char state = '?';
  std::int64_t skipped = 0;
  std::uint64_t flags = 0;
  rest >> state;
  for (int i = 0; i < 5; ++i) rest >> skipped;  // parent, group, session, terminal, its group
  rest >> flags;
  constexpr std::uint64_t kExiting = 0x4;  // PF_EXITING
  if (state == 'Z' || state == 'X' || (flags & kExiting) != 0) return true;
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("SigPnd:") && !line.starts_with("ShdPnd:")) continue;
    if ((std::stoull(line.substr(7), nullptr, 16) & (1U << 8U)) != 0) return true;  // SIGKILL
  }
  return false;
}

}  // namespace

Result<StoreLock> StoreLock::take(const std::string& path) {
  UniqueFd file(os::call("open", ::open, path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, mode_t{0666}));
  if (!file) {
    return fail(ErrorCode::unwritable,
                fmt::format("the run store `{}` cannot be opened: {}; look at the permissions of the file "
                            "and its folder, or give another name with --store",
                            path, std::strerror(errno)));
  }
  struct stat info{};
  if (::fstat(file.get(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return fail(ErrorCode::unwritable, fmt::format("the run store `{}` is no file; give another name with --store", path));
  }
  if (Result<void> locked = lock(file.get(), path); !locked) return tl::unexpected(locked.error());
  return StoreLock(std::move(file));
}

Result<void> StoreLock::take_again(const std::string& path) { return lock(file_.get(), path); }

Result<void> StoreLock::lock(int file, const std::string& path) {
  const auto began = std::chrono::steady_clock::now();
  for (;;) {
    struct flock lock = whole_lock(F_WRLCK);
    if (os::call("fcntl", ::fcntl, file, F_SETLK, &lock) == 0) return {};
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      return fail(ErrorCode::unwritable, fmt::format("the run store `{}` cannot be locked: {}; is it on a file system without "
                                                     "locks? Give another name with --store",
                                                     path, std::strerror(errno)));
    }
    struct flock holder = whole_lock(F_WRLCK);
    if (::fcntl(file, F_GETLK, &holder) != 0 || holder.l_type == F_UNLCK) continue;
    const auto waited = std::chrono::steady_clock::now() - began;
    const bool dying = holder.l_pid > 0 && is_dying(holder.l_pid);
    if (waited > (dying ? kLongestDeath : kMoment)) {
      return fail(
          ErrorCode::unwritable,
          fmt::format("the run store `{}` is in use by another run (process {}); wait for its end, or give another name "
                      "with --store",
                      path, holder.l_pid));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

bool StoreLock::deleted() const {
  struct stat info{};
  return os::call("fstat", ::fstat, file_.get(), &info) == 0 && info.st_nlink == 0;
}

std::optional<pid_t> StoreLock::holder(const std::string& path) {
  const UniqueFd file(os::retry("open", ::open, path.c_str(), O_RDONLY | O_CLOEXEC));
  struct flock lock = whole_lock(F_WRLCK);
  if (!file || ::fcntl(file.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;
  return lock.l_pid;
}

}  // namespace runner::report
