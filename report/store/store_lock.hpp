// store_lock.hpp - one run at a time writes a store; readers do not care.
//
// A record lock (fcntl) on one byte far behind the end of the file. It belongs to this process alone: no child has a share in
// it, and the kernel drops it when the process ends, however that happens. So a run may begin at the instant at which another
// was killed: who is just dying is waited for.
//
// Called from  the thread that opens the store.
// Owns         a descriptor of the store, and with it the lock. While it lives nothing else in this process may close a descriptor
//              of that file, which would drop the lock: so it is taken before SQLite opens the file, and let go after SQLite
//              closed it.
// Fails with   unwritable: another run has it (named), or the file cannot be opened.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>

namespace runner::report {

class StoreLock {
 public:
  // Makes the file when there is none.
  [[nodiscard]] static Result<StoreLock> take(const std::string& path);
  // Takes it once more. SQLite lets go of all locks of this process on a file when it makes a store of an empty one.
  [[nodiscard]] Result<void> take_again(const std::string& path);
  // Whether the file has no name any more: nobody will find what is written to it.
  [[nodiscard]] bool deleted() const;
  // The process that has it; nothing: nobody. Never to be asked by a process that has it, or will.
  [[nodiscard]] static std::optional<pid_t> holder(const std::string& path);

 private:
  explicit StoreLock(UniqueFd file) : file_(std::move(file)) {}
  [[nodiscard]] static Result<void> lock(int file, const std::string& path);
  UniqueFd file_;
};

}  // namespace runner::report
