#include "report/store/locked_store.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

#include "report/store/schema.hpp"

namespace runner::report {

Result<LockedStore> LockedStore::open(const std::string& path) {
  Result<StoreLock> lock = StoreLock::take(path);
  if (!lock) return tl::unexpected(lock.error());
  Result<Database> database = open_store(path);
  if (!database) {
    std::error_code unknown;
    if (std::filesystem::file_size(path, unknown) == 0 && !unknown) std::filesystem::remove(path, unknown);
    return tl::unexpected(database.error());
  }
  if (Result<void> still = lock->take_again(path); !still) return tl::unexpected(still.error());
  return LockedStore{std::move(*lock), std::move(*database)};
}

}  // namespace runner::report
