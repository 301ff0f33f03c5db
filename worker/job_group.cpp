#include "worker/job_group.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>
#include <string_view>
#include <utility>

#include "ipc/os.hpp"
#include "ipc/process_tree.hpp"
#include "worker/spawn.hpp"

namespace runner::worker {

namespace {

constexpr int kPatienceMs = 1'000;

// The number behind a word, as in "oom_kill 3".
std::uint64_t number_behind(std::string_view word, const std::optional<std::string>& text) {
  std::istringstream words(text.value_or(""));
  std::uint64_t value = 0;
  for (std::string name; words >> name >> value;) {
    if (name == word) return value;
  }
  return 0;
}

}  // namespace

JobGroup* JobGroup::of_place(std::uint32_t place) {
  static std::mutex mutex;
  static std::map<std::uint32_t, std::unique_ptr<JobGroup>> groups;
  const char* run = std::getenv(kRunGroup);
  if (run == nullptr) return nullptr;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto [group, fresh] = groups.try_emplace(place);
  std::unique_ptr<JobGroup>& known = group->second;
  if (fresh) {
    known = tried(std::string(run) + "/" + std::to_string(place));
  } else if (known != nullptr && known->killed_) {
    const std::string path = known->path_;
    known.reset();
    if (os::call("rmdir", ::rmdir, path.c_str()) == 0) known = tried(path);
  }
  return known.get();
}

std::unique_ptr<JobGroup> JobGroup::tried(const std::string& folder) {
  std::unique_ptr<JobGroup> group = at(folder);
  return group != nullptr && can_be_born_into(group->fd()) ? std::move(group) : nullptr;
}

std::unique_ptr<JobGroup> JobGroup::at(const std::string& folder) {
  if (os::call("mkdir", ::mkdir, folder.c_str(), mode_t{0755}) != 0 && errno != EEXIST) return nullptr;
  UniqueFd opened(os::retry("open", ::open, folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return nullptr;
  return std::unique_ptr<JobGroup>(new JobGroup(folder, std::move(opened)));
}

JobGroup::JobGroup(std::string path, UniqueFd folder)
    : path_(std::move(path)),
      folder_(std::move(folder)),
      events_(os::retry("openat", ::openat, folder_.get(), "cgroup.events", O_RDONLY | O_CLOEXEC)) {}

std::optional<std::string> JobGroup::read(const char* file) const {
  const UniqueFd fd(os::retry("openat", ::openat, folder_.get(), file, O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::string text;
  std::array<char, 4096> block;
  for (ssize_t got = 0; (got = os::retry("read", ::read, fd.get(), static_cast<void*>(block.data()), block.size())) > 0;) {
    text.append(block.data(), static_cast<std::size_t>(got));
  }
  return text;
}

bool JobGroup::write(const char* file, const std::string& text) const {
  const UniqueFd fd(os::retry("openat", ::openat, folder_.get(), file, O_WRONLY | O_TRUNC | O_CLOEXEC));
  return fd && os::retry("write", ::write, fd.get(), static_cast<const void*>(text.data()), text.size()) ==
                   static_cast<ssize_t>(text.size());
}

// Asked after every command.
bool JobGroup::populated() const {
  std::array<char, 256> text;
  const ssize_t got =
      events_ ? os::retry("pread", ::pread, events_.get(), static_cast<void*>(text.data()), text.size(), off_t{0}) : 0;
  return got > 0 && std::string_view(text.data(), static_cast<std::size_t>(got)).find("populated 1") != std::string_view::npos;
}

std::vector<std::string> JobGroup::names() const {
  std::vector<os::Process> found;
  std::istringstream pids(read("cgroup.procs").value_or(""));
  for (pid_t pid = 0; pids >> pid;) {
    os::Process process;
    process.pid = pid;
    const UniqueFd comm(os::retry("open", ::open, ("/proc/" + std::to_string(pid) + "/comm").c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t got =
        comm ? os::retry("read", ::read, comm.get(), static_cast<void*>(process.name.data()), process.name.size() - 1) : 0;
    if (got <= 0) continue;  // it has gone by itself
    if (process.name[static_cast<std::size_t>(got) - 1] == '\n') process.name[static_cast<std::size_t>(got) - 1] = 0;
    found.push_back(process);
  }
  const std::size_t count = found.size();
  found.resize(std::min(count, os::kNamed));
  return os::names_of(found, count);
}

void JobGroup::kill() {
  if (!write("cgroup.kill", "1")) return;
  killed_ = true;
  for (int waited = 0; waited < kPatienceMs && populated(); ++waited) ::poll(nullptr, 0, 1);
}

bool JobGroup::limit(Bytes memory) {
  if (memory.count == 0 && !std::exchange(limited_, false)) return false;
  if (!write("memory.max", memory.count == 0 ? "max" : std::to_string(memory.count))) return false;
  if (memory.count == 0) return false;
  limited_ = true;
  // Without swap the limit is what it says; all of them end, not just one of them. Where these are not there, it goes without.
  write("memory.swap.max", "0");
  write("memory.oom.group", "1");
  kills_ = kills();
  return true;
}

std::uint64_t JobGroup::kills() const { return number_behind("oom_kill", read("memory.events")); }

bool JobGroup::out_of_memory() const { return limited_ && kills() > kills_; }

std::optional<Bytes> JobGroup::peak() const {
  const std::string text = read("memory.peak").value_or("");
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  return error == std::errc() && end != text.data() ? std::optional(Bytes{bytes}) : std::nullopt;
}

}  // namespace runner::worker
