#include "master/run_group.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include <runner/unique_fd.hpp>
#include "ipc/layout.hpp"
#include "ipc/os.hpp"

namespace runner::master {

namespace {

// worker/job_group.hpp reads it.
constexpr const char* kRunGroup = "RUNNER_CGROUP";
constexpr int kTries = 1'000;  // to take a group away, one each millisecond

// "runner-4026531836-": processes of another namespace have other numbers, and are not ours to judge.
std::string beginning() {
  struct stat space{};
  static_cast<void>(os::call("stat", ::stat, "/proc/self/ns/pid", &space));
  return "runner-" + std::to_string(space.st_ino) + "-";
}

void remove_abandoned(const std::string& folder) {
  const std::string begins = beginning();
  std::error_code unknown;
  std::vector<std::string> abandoned;
  for (std::filesystem::directory_iterator one(folder, unknown), end; !unknown && one != end; one.increment(unknown)) {
    const std::string name = one->path().filename().string();
    if (!name.starts_with(begins)) continue;
    const pid_t master = std::atoi(name.c_str() + begins.size());
    if (master > 0 && ::kill(master, 0) != 0 && errno == ESRCH) abandoned.push_back(one->path().string());
  }
  // Its guardian may be at it, too.
  for (const std::string& path : abandoned) RunGroup::remove(path.c_str());
}

bool write_to(const std::string& path, const char* text) {
  const UniqueFd fd(os::retry("open", ::open, path.c_str(), O_WRONLY | O_CLOEXEC));
  const auto size = static_cast<ssize_t>(std::strlen(text));
  return fd && os::retry("write", ::write, fd.get(), static_cast<const void*>(text), static_cast<std::size_t>(size)) == size;
}

}  // namespace

std::unique_ptr<RunGroup> RunGroup::make(const Delegation& delegation) {
  ::unsetenv(kRunGroup);  // of a run that has started this one
  if (!delegation.groups) return nullptr;
  remove_abandoned(delegation.folder);
  std::string folder = delegation.folder + "/" + beginning() + std::to_string(::getpid());
  if (os::call("mkdir", ::mkdir, folder.c_str(), mode_t{0755}) != 0) return nullptr;
  std::unique_ptr<RunGroup> group(new RunGroup(std::move(folder)));
  if (delegation.memory) write_to(group->folder_ + "/cgroup.subtree_control", "+memory");
  if (::setenv(kRunGroup, group->folder_.c_str(), 1) != 0) return nullptr;
  return group;
}

RunGroup::~RunGroup() {
  ::unsetenv(kRunGroup);
  remove(folder_.c_str());
}

void RunGroup::remove(const char* folder) noexcept {
  std::array<char, PATH_MAX> path{};
  const std::size_t size = std::strlen(folder);
  if (size + 16 > path.size()) return;  // what is put behind it has room
  std::memcpy(path.data(), folder, size);
  constexpr std::string_view kill = "/cgroup.kill";
  std::memcpy(path.data() + size, kill.data(), kill.size());  // zeros are behind it
  if (const int fd = ::open(path.data(), O_WRONLY | O_CLOEXEC); fd >= 0) {
    static_cast<void>(::write(fd, "1", 1));
    ::close(fd);
  }
  int patience = kTries;
  const auto take_away = [&patience](const char* which) {
    int removed = 0;
    while ((removed = ::rmdir(which)) != 0 && errno == EBUSY && patience-- > 0) ::poll(nullptr, 0, 1);
    return removed == 0;
  };
  // The groups of places, whose names are numbers, and which are as many as the folder has links beside its own two.
  struct stat info{};
  std::uint64_t left = ::stat(folder, &info) == 0 && info.st_nlink >= 2 ? info.st_nlink - 2 : ipc::kMaxWorkers;
  for (std::uint32_t place = 1; left > 0 && place <= ipc::kMaxWorkers; ++place) {
    char* end = path.data() + size;
    *end++ = '/';
    std::array<char, 8> digits{};
    std::size_t n = 0;
    for (std::uint32_t rest = place; rest > 0; rest /= 10) digits[n++] = static_cast<char>('0' + rest % 10);
    while (n > 0) *end++ = digits[--n];
    *end = 0;
    if (take_away(path.data())) --left;
  }
  take_away(folder);
}

}  // namespace runner::master
