// program.hpp - the program, as a person runs it: arguments in, output and exit status out, nothing left behind.
//
// Called from  tests, one thread.
// Owns         a folder that is the working directory of what it starts, and removes it. Descendants that outlive their parent
//              become children of the test, so that leftovers() sees them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace runner::integration {

struct Ended {
  int status = 0;  // as a shell shows it: 128 + signal for a killed program
  std::string out, err;
  // The lines of `out`, sorted.
  [[nodiscard]] std::vector<std::string> sorted_lines() const;
};

class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const;
  [[nodiscard]] std::string read(const std::string& name) const;
  [[nodiscard]] bool exists(const std::string& name) const { return std::filesystem::exists(path_ / name); }

  // Runs the program with these arguments to its end.
  [[nodiscard]] Ended run(const std::vector<std::string>& arguments, const std::string& standard_input = {}) const;
  // Any other program, looked up in PATH. `prepare` is called in its process just before it begins.
  [[nodiscard]] Ended run_other(const std::vector<std::string>& words, const std::string& standard_input = {},
                                const std::function<void()>& prepare = {}) const;

 private:
  std::filesystem::path path_;
};

// One that runs while the test does something else.
class Running {
 public:
  Running(const Folder& folder, const std::vector<std::string>& words, const std::string& standard_input = {},
          const std::function<void()>& prepare = {});
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  // To its end; one that does not end in four minutes hangs: it is killed, and `err` says so.
  [[nodiscard]] Ended wait();
  // What it has written to standard error so far.
  [[nodiscard]] std::string err_so_far() const;
  // Processes that descend from it, itself not included.
  [[nodiscard]] std::vector<pid_t> descendants() const;

 private:
  pid_t pid_ = -1;
  std::filesystem::path out_, err_;
  bool over_ = false;
};

[[nodiscard]] std::vector<std::string> words(const std::vector<std::string>& arguments);  // with the program in front

// Waits until it is so; false after a minute, which only a hang takes.
[[nodiscard]] bool eventually(const std::function<bool()>& is_so);

// Names of processes that descend from this test and still live; waits a little for those that are dying.
[[nodiscard]] std::vector<std::string> leftovers();

[[nodiscard]] std::string process_name(pid_t pid);

}  // namespace runner::integration
