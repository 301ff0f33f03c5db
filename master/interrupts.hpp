// interrupts.hpp - Ctrl-C, SIGTERM and SIGHUP, as something the run loop can wait for.
//
// Called from  the main thread installs it; the handler runs anywhere and only counts. so_far: any thread.
// Owns         the process's SIGINT, SIGTERM and SIGHUP dispositions while it lives; at most one exists.
// Fails with   system, when it is installed.
#pragma once

#include <cstdint>
#include <memory>

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>

namespace runner::master {

class Interrupts {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Interrupts>> install();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Readable after a signal, until count() was asked.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // How urgent it is: each SIGINT counts one; SIGTERM or a closed terminal (SIGHUP) counts as the second at
  // least. A fourth is not counted: it ends the program where it stands, with status 130, and with it the workers.
  [[nodiscard]] unsigned count();
  // The same, from any thread, leaving fd() as it is: for who watches while the loop's thread is inside a job.
  [[nodiscard]] unsigned so_far() const;
  // Called in the handler before the fourth ends the program; must be async-signal-safe. Null: nothing.
  static void before_the_end(void (*last)()) noexcept;

 private:
  explicit Interrupts(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  std::uint64_t drained_ = 0;  // rings that count() took from it
};

}  // namespace runner::master
