// guardian.hpp - a small process beside a run that ends what is left of it when the master dies, however that died.
//
// It is a child of the master in a session of its own, knows every worker, and holds one end of a socket whose other end nobody has but
// the master. At the end of file it stops all workers and everything below them, and all that was started with this run's RUNNER_RUN in
// its environment, kills them, and leaves. When it is killed itself, a new one takes its place.
//
// On this side it also keeps what belongs to the master together: with `adopts`, what a worker leaves at its death comes to the master.
//
// Called from  start: before there is any other thread, while the process is small; everything else: the run loop's thread.
// Owns         the process, the master's end of the socket. Destroying it tells the guardian that all is well.
// Fails with   start: system.
// Call order   start (add | remove | end_strays | look)*
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>
#include <runner/units.hpp>

namespace runner::master {

class Guardian {
 public:
  // adopt: this process becomes a subreaper, and every child of it that is not known here is a stray. Not where it had children before
  // it became this program. search: nobody adopts, so at a good end, too, the guardian looks for what has the run's RUNNER_RUN.
  enum class Orphans : std::uint8_t { adopt, search };
  // `group`: the folder of the run's control groups (run_group.hpp), to be ended and removed with it; empty: none.
  [[nodiscard]] static Result<std::unique_ptr<Guardian>> start(Orphans orphans, const std::string& group = {});
  ~Guardian();
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

  void add(pid_t worker);     // which is our child
  void remove(pid_t worker);  // it was reaped
  [[nodiscard]] const std::vector<pid_t>& workers() const { return workers_; }

  // Ends what was orphaned by a death, and answers its names. `helper`: a child of ours that is no worker; -1: none.
  [[nodiscard]] std::vector<std::string> end_strays(pid_t helper);

  // Now and then: replaces it when it was killed.
  void look(TimePoint now);
  // Readable when look() has something to do, or `other` (-1: none) is readable.
  [[nodiscard]] Result<int> watched_with(int other);

  // The master's end, which a process that is forked from the master must close.
  [[nodiscard]] int socket() const { return socket_.get(); }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  explicit Guardian(Orphans orphans, bool adopts) : orphans_(orphans), adopts_(adopts) {}
  [[nodiscard]] Result<void> bear();
  void tell(std::int32_t what, std::int32_t whom);

  Orphans orphans_;
  bool adopts_;
  UniqueFd socket_, pidfd_, epoll_;
  pid_t pid_ = -1;
  std::vector<pid_t> workers_;
  std::string run_;  // value of RUNNER_RUN
  std::string group_;
  TimePoint looked_{};
};

}  // namespace runner::master
