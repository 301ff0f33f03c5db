#include "tests/integration/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

extern "C" {  // this header of glibc 2.36 forgets to say so
#include <sys/pidfd.h>
}

namespace runner::integration {

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Process {
  pid_t parent = 0;
  char state = '?';
  std::string name;
};

std::map<pid_t, Process> processes() {
  std::map<pid_t, Process> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string number = entry.path().filename().string();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = read_file(entry.path() / "stat");
    const std::size_t open = stat.find('('), close = stat.rfind(')');
    if (open == std::string::npos || close == std::string::npos) continue;
    std::istringstream rest(stat.substr(close + 2));
    Process process;
    process.name = stat.substr(open + 1, close - open - 1);
    rest >> process.state >> process.parent;
    all[static_cast<pid_t>(std::stol(number))] = process;
  }
  return all;
}

std::vector<pid_t> below(pid_t top) {
  const std::map<pid_t, Process> all = processes();
  std::vector<pid_t> found;
  std::vector<pid_t> parents{top};
  while (!parents.empty()) {
    const pid_t parent = parents.back();
    parents.pop_back();
    for (const auto& [pid, process] : all) {
      if (process.parent != parent || process.state == 'Z') continue;
      found.push_back(pid);
      parents.push_back(pid);
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> Ended::sorted_lines() const {
  std::vector<std::string> lines;
  std::istringstream text(out);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::vector<std::string> words(const std::vector<std::string>& arguments) {
  std::vector<std::string> all{RUNNER_PROGRAM};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

Folder::Folder() {
  static std::atomic<int> count{0};
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  path_ =
      std::filesystem::temp_directory_path() / ("runner-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
  std::filesystem::create_directories(path_);
}

Folder::~Folder() { std::filesystem::remove_all(path_); }

void Folder::write(const std::string& name, const std::string& text) const {
  std::filesystem::create_directories((path_ / name).parent_path());
  std::ofstream(path_ / name, std::ios::binary) << text;
}

std::string Folder::read(const std::string& name) const { return read_file(path_ / name); }

Ended Folder::run(const std::vector<std::string>& arguments, const std::string& standard_input) const {
  return run_other(words(arguments), standard_input);
}

Ended Folder::run_other(const std::vector<std::string>& all, const std::string& standard_input,
                        const std::function<void()>& prepare) const {
  return Running(*this, all, standard_input, prepare).wait();
}

Running::Running(const Folder& folder, const std::vector<std::string>& all, const std::string& standard_input,
                 const std::function<void()>& prepare) {
  static std::atomic<int> count{0};
  const std::filesystem::path base = folder.path().string() + ".io-" + std::to_string(count++);
  out_ = base.string() + ".out";
  err_ = base.string() + ".err";
  const std::string in = base.string() + ".in";
  std::ofstream(in, std::ios::binary) << standard_input;
  std::vector<char*> argv;
  for (const std::string& word : all) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    const auto to = [](const char* path, int flags, int fd) {
      const int file = ::open(path, flags, 0600);
      if (file < 0 || ::dup2(file, fd) < 0) ::_exit(126);
      ::close(file);
    };
    to(in.c_str(), O_RDONLY, STDIN_FILENO);
    to(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    to(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    if (::chdir(folder.path().c_str()) != 0) ::_exit(126);
    if (prepare) prepare();
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
}

Running::~Running() {
  if (!over_) {
    ::kill(pid_, SIGKILL);
    static_cast<void>(wait());
  }
  const std::string in = out_.string().substr(0, out_.string().size() - 4) + ".in";
  for (const std::filesystem::path& path : {out_, err_, std::filesystem::path(in)}) std::filesystem::remove(path);
}

void Running::signal(int number) const { ::kill(pid_, number); }

std::string Running::err_so_far() const { return read_file(err_); }

std::vector<pid_t> Running::descendants() const { return below(pid_); }

Ended Running::wait() {
  constexpr int patience_ms = 240'000;
  pollfd end{::pidfd_open(pid_, 0), POLLIN, 0};
  const bool hangs = end.fd >= 0 && ::poll(&end, 1, patience_ms) == 0;
  if (hangs) ::kill(pid_, SIGKILL);
  if (end.fd >= 0) ::close(end.fd);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  over_ = true;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(out_),
          read_file(err_) + (hangs ? "\nthe test killed it because it did not end\n" : "")};
}

bool eventually(const std::function<bool()>& is_so) {
  for (int i = 0; i < 6000; ++i) {
    if (is_so()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::vector<std::string> leftovers() {
  std::vector<pid_t> alive;
  for (int i = 0; i < 200; ++i) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    alive = below(::getpid());
    if (alive.empty()) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::vector<std::string> names;
  for (const pid_t pid : alive) names.push_back(process_name(pid) + " (" + std::to_string(pid) + ")");
  return names;
}

std::string process_name(pid_t pid) {
  std::string name = read_file("/proc/" + std::to_string(pid) + "/comm");
  if (!name.empty()) name.pop_back();
  return name;
}

}  // namespace runner::integration
