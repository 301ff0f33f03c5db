// locked_store.hpp - a run store that is open, and this process the only one that writes it.
//
// Held from the look at what it has to the end of the run: what was planned by what it had stays true. Processes that are forked
// meanwhile have its descriptors and no share in the lock; they never touch them.
//
// Called from  one thread at a time.
// Owns         the lock, and the database, which is closed before the lock goes.
// Fails with   open: unwritable; a file that it has made for nothing is gone then.
#pragma once

#include <string>

#include <runner/result.hpp>
#include "report/store/database.hpp"
#include "report/store/store_lock.hpp"

namespace runner::report {

struct LockedStore {
  StoreLock lock;
  Database database;

  // Makes the store when there is none.
  [[nodiscard]] static Result<LockedStore> open(const std::string& path);
};

}  // namespace runner::report
