#include "ipc/process_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace runner::os {

namespace {

constexpr std::size_t kMostProcesses = std::size_t{1} << 17;
constexpr std::int64_t kPatience = 1'000'000'000;
constexpr timespec kPause{0, 300'000};

// Not std::string: see the header.
class Path {
 public:
  Path(const char* before, pid_t pid, const char* after) {
    add(before);
    const auto end = std::to_chars(text_.data() + length_, text_.data() + text_.size(), pid);
    length_ = static_cast<std::size_t>(end.ptr - text_.data());
    add(after);
    text_[length_] = '\0';
  }
  [[nodiscard]] const char* get() const { return text_.data(); }

 private:
  void add(const char* text) {
    const std::size_t size = std::strlen(text);
    std::memcpy(text_.data() + length_, text, size);
    length_ += size;
  }
  std::array<char, 64> text_{};
  std::size_t length_ = 0;
};

std::size_t read_small(const char* path, std::span<char> into) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t got = ::read(fd, into.data(), into.size());
  ::close(fd);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

// One number of a line, and the blank behind it.
template <class Number>
Number take(std::string_view& line) {
  Number number{};
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  if (!line.empty()) line.remove_prefix(1);
  return number;
}

// "4711 (a name) S 1 4711 ...": the name may hold anything, so what follows is behind the last parenthesis.
bool look_at(pid_t pid, Process& process) {
  std::array<char, 512> text;
  const std::string_view line(text.data(), read_small(Path("/proc/", pid, "/stat").get(), text));
  const std::size_t open = line.find('('), close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close + 4 > line.size()) return false;
  process = Process{};
  process.pid = pid;
  const std::string_view name = line.substr(open + 1, std::min(close - open - 1, process.name.size() - 1));
  std::copy(name.begin(), name.end(), process.name.begin());
  process.state[0] = line[close + 2];
  std::string_view rest = line.substr(close + 4);
  process.parent = take<pid_t>(rest);
  process.group = take<pid_t>(rest);
  for (int field = 6; field < 22 && !rest.empty(); ++field) {
    const std::size_t blank = rest.find(' ');
    rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
  }
  process.start = take<std::uint64_t>(rest);
  return true;
}

bool is_stopped(const Process& process) { return process.state[0] == 'T' || process.state[0] == 't'; }
bool lives(const Process& process) { return process.state[0] != 'Z' && process.state[0] != 'X'; }

struct Row {
  Process process;
  bool meant = false;
  bool asked = false;  // whether it is meant is known
};

// All processes at about one moment, by pid.
class Table {
 public:
  Table() {
    void* memory = ::mmap(nullptr, kMostProcesses * sizeof(Row), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      rows_ = few_.data();
      room_ = few_.size();
    } else {
      rows_ = static_cast<Row*>(memory);
      room_ = kMostProcesses;
    }
  }
  ~Table() {
    if (rows_ != few_.data()) ::munmap(rows_, kMostProcesses * sizeof(Row));
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  void look(const Scope& scope) {
    count_ = 0;
    const int folder = ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    alignas(dirent64) std::array<char, 4096> block;
    for (long got = 0; (got = ::syscall(SYS_getdents64, folder, block.data(), block.size())) > 0;) {
      for (long at = 0; at < got;) {
        const auto* entry = reinterpret_cast<const dirent64*>(block.data() + at);
        at += entry->d_reclen;
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || count_ == room_) continue;
        std::string_view digits(entry->d_name);
        Row& row = rows_[count_];
        if (!look_at(take<pid_t>(digits), row.process)) continue;
        row.meant = row.asked = false;
        ++count_;
      }
    }
    ::close(folder);
    const pid_t self = ::getpid();
    for (Row& row : all()) {
      if (row.process.pid == self || row.process.pid == 1) row.asked = true;
    }
    for (Row& row : all()) decide(row, scope, 0);
  }
  [[nodiscard]] std::span<Row> all() { return {rows_, count_}; }
  [[nodiscard]] bool is_meant(pid_t pid) {
    const Row* row = find(pid);
    return row != nullptr && row->meant;
  }

 private:
  // Numbers rise in /proc.
  Row* find(pid_t pid) {
    const auto row = std::lower_bound(all().begin(), all().end(), pid,
                                      [](const Row& one, pid_t wanted) { return one.process.pid < wanted; });
    return row != all().end() && row->process.pid == pid ? &*row : nullptr;
  }
  bool decide(Row& row, const Scope& scope, int depth) {
    if (row.asked) return row.meant;
    row.asked = true;  // before its parents are asked: a table that is no tree ends all the same
    row.meant = scope.root(row.process, scope.with);
    if (row.meant || depth > 1000) return row.meant;
    if (Row* parent = find(row.process.parent); parent != nullptr) row.meant = decide(*parent, scope, depth + 1);
    return row.meant;
  }

  std::array<Row, 256> few_;
  Row* rows_ = nullptr;
  std::size_t room_ = 0, count_ = 0;
};

void signal_one(const Process& process, int signal) {
  const long pidfd = ::syscall(SYS_pidfd_open, process.pid, 0);
  if (pidfd < 0 && errno != ENOSYS && errno != EPERM && errno != EMFILE && errno != ENFILE) return;  // gone
  Process now;
  if (look_at(process.pid, now) && now.start == process.start) {
    if (pidfd < 0 || ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0) ::kill(process.pid, signal);
  }
  if (pidfd >= 0) ::close(static_cast<int>(pidfd));
}

std::int64_t monotonic_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

bool is_child_of(const Process& process, const void* parent) { return process.parent == *static_cast<const pid_t*>(parent); }
bool is_in_group(const Process& process, const void* leader) { return process.group == *static_cast<const pid_t*>(leader); }

}  // namespace

Scope below(const pid_t& process) { return {&is_child_of, &process, -1}; }
Scope group_of(const pid_t& leader) { return {&is_in_group, &leader, -1}; }

std::size_t end_processes(const Scope& scope, std::span<Process> found) noexcept {
  const int saved = errno;
  const pid_t self = ::getpid();
  Table table;
  // What runs may fork behind our back; what is stopped cannot. One that does not stop is dying, or hangs in the kernel.
  const std::int64_t began = monotonic_ns();
  for (bool more = true; more;) {
    more = false;
    table.look(scope);
    for (const Row& row : table.all()) {
      if (!row.meant || !lives(row.process) || is_stopped(row.process)) continue;
      more = true;
      signal_one(row.process, SIGSTOP);
    }
    if (monotonic_ns() - began >= kPatience / 2) break;
    if (more) ::nanosleep(&kPause, nullptr);
  }
  std::size_t count = 0;
  for (const Row& row : table.all()) {
    if (!row.meant || !lives(row.process)) continue;
    if (count < found.size()) found[count] = row.process;
    ++count;
  }
  for (bool left = true; left;) {
    left = false;
    for (const Row& row : table.all()) {
      if (!row.meant) continue;
      if (lives(row.process)) {
        left = true;
        signal_one(row.process, SIGKILL);
      } else if (row.process.parent == self) {
        if (row.process.pid != scope.waited_for) ::waitpid(row.process.pid, nullptr, WNOHANG | __WALL);
      } else {
        left = left || table.is_meant(row.process.parent);  // it becomes somebody else's to reap, perhaps ours
      }
    }
    if (!left || monotonic_ns() - began >= kPatience) break;
    ::nanosleep(&kPause, nullptr);
    table.look(scope);
  }
  errno = saved;
  return count;
}

std::size_t ask_to_end(const Scope& scope) noexcept {
  const int saved = errno;
  Table table;
  table.look(scope);
  std::size_t count = 0;
  for (const int signal : {SIGTERM, SIGCONT}) {
    for (const Row& row : table.all()) {
      if (!row.meant || !lives(row.process)) continue;
      signal_one(row.process, signal);
      count += signal == SIGTERM ? 1U : 0U;
    }
  }
  errno = saved;
  return count;
}

std::uint64_t start_of(pid_t process) noexcept {
  Process found;
  return look_at(process, found) ? found.start : 0;
}

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 || errno != ECHILD;
}

namespace {

// The whole of a small file of /proc.
std::string content(const std::string& path) {
  std::string text;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  std::array<char, 4096> block;
  for (ssize_t got = 0; (got = ::read(fd, block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<std::size_t>(got));
  ::close(fd);
  return text;
}

void add_children_by_table(pid_t process, std::vector<pid_t>& children) {
  Table table;
  table.look({[](const Process&, const void*) { return false; }, nullptr, -1});
  for (const Row& row : table.all()) {
    if (row.process.parent == process) children.push_back(row.process.pid);
  }
}

template <class Visit>
void visit_below(pid_t process, const Visit& visit, int depth = 0) {
  if (depth > 100) return;
  for (const pid_t child : children_of(process)) {
    visit(child);
    visit_below(child, visit, depth + 1);
  }
}

struct Resident {
  std::uint64_t all = 0, shared = 0;
};
Resident resident(pid_t process) {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::string text = content("/proc/" + std::to_string(process) + "/statm");
  std::string_view line = text;
  static_cast<void>(take<std::uint64_t>(line));
  const auto all = take<std::uint64_t>(line);
  return {all * page, take<std::uint64_t>(line) * page};
}

std::uint64_t proportional(pid_t process) {
  const std::string text = content("/proc/" + std::to_string(process) + "/smaps_rollup");
  const std::size_t at = text.find("\nPss:");
  if (at == std::string::npos) return resident(process).all;
  std::string_view line = std::string_view(text).substr(at + 5);
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  return take<std::uint64_t>(line) * 1024;
}

}  // namespace

std::vector<pid_t> children_of(pid_t process) {
  std::vector<pid_t> children;
  const std::string tasks = "/proc/" + std::to_string(process) + "/task";
  DIR* folder = ::opendir(tasks.c_str());
  if (folder == nullptr) return children;
  bool told = true;
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const std::string path = tasks + "/" + entry->d_name + "/children";
    told = told && ::access(path.c_str(), R_OK) == 0;
    const std::string text = content(path);
    for (std::string_view line = text; !line.empty();) {
      if (const auto child = take<pid_t>(line); child > 0) children.push_back(child);
    }
  }
  ::closedir(folder);
  if (!told) add_children_by_table(process, children);  // not every kernel is built with it
  return children;
}

Bytes tree_memory(pid_t process, bool itself, Count count) {
  Bytes sum{0};
  const auto add = [&](pid_t one) { sum.count += count == Count::fair ? proportional(one) : resident(one).all; };
  if (itself) add(process);
  visit_below(process, add);
  return sum;
}

Bytes own_and_below_memory(pid_t process) {
  const Resident found = resident(process);
  return {found.all - std::min(found.all, found.shared) + tree_memory(process, false, Count::quick).count};
}

std::vector<std::string> names_of(std::span<const Process> found, std::size_t count) {
  std::vector<std::string> names;
  for (const Process& one : found.first(std::min({found.size(), count, kNamed}))) {
    std::string name;
    for (const char c : std::string_view(one.name.data())) name += static_cast<unsigned char>(c) >= 0x20 && c != 0x7f ? c : '?';
    names.push_back(name + " (pid " + std::to_string(one.pid) + ")");
  }
  if (count > names.size()) names.push_back("and " + std::to_string(count - names.size()) + " more");
  return names;
}

}  // namespace runner::os
