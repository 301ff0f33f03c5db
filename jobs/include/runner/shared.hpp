// shared.hpp - what the jobs of a batch share: as it is asked for (SharedSpec), and as a job sees it (Shared).
//
//   std::span<const std::byte> genome = context.shared().bytes("genome");          genome: {file: genome.txt}
//   context.shared().counter("hits").fetch_add(1, std::memory_order_relaxed);      hits: {counter: 0}
//   std::span<std::byte> grid = context.shared().writable("grid");                 grid: {bytes: 64MiB, writable: true}
//
// Every job, in whichever process or thread it runs, sees the same memory; nothing is copied, and nothing is rolled back when a
// job crashes: what it had written stays (docs/shared-state.md).
//
// Called from  any thread of a job. The table of names does not change while jobs run; what lies behind the names does, and
//              jobs that write the same bytes of a region at a time must agree on how, as threads must.
// Owns         the names. The memory belongs to whoever mapped it and outlives every job.
// Fails with   std::invalid_argument: nothing of that name is shared, or it is of another sort; the text lists what there is.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runner/units.hpp"

namespace runner {

// ---- as it is asked for ----

struct SharedFile {
  std::string path;  // of a regular file; it is mapped as it stands, for reading only
};
struct SharedCounter {
  std::int64_t initial = 0;
};
struct SharedBytes {
  Bytes bytes;  // zero-filled and writable; more than 0
};
struct SharedSpec {
  std::string name;  // is_shared_name(), unique in the batch
  std::variant<SharedFile, SharedCounter, SharedBytes> what;
};

inline constexpr std::size_t kMostShared = 128;
inline constexpr std::size_t kLongestSharedName = 64;
// Letters, digits, `_`, `-` and `.` of ASCII, at least one and at most kLongestSharedName.
[[nodiscard]] bool is_shared_name(std::string_view name);

// ---- as a job sees it ----

using SharedCount = std::atomic<std::int64_t>;
static_assert(SharedCount::is_always_lock_free, "a counter is shared by processes, so it must not hide a lock");

class Shared {
 public:
  using Entry = std::variant<std::span<const std::byte>, SharedCount*, std::span<std::byte>>;
  struct Count {
    std::string name;
    std::int64_t value;
  };

  // A table with nothing in it, for jobs of a batch that shares nothing.
  [[nodiscard]] static const Shared& none();

  // Of a file or a region. Where somebody shortens the file while jobs read it, what is gone is a SIGBUS.
  [[nodiscard]] std::span<const std::byte> bytes(std::string_view name) const;
  // Of a region.
  [[nodiscard]] std::span<std::byte> writable(std::string_view name) const;
  [[nodiscard]] SharedCount& counter(std::string_view name) const;

  // Every counter as it is now, in the order of the batch file.
  [[nodiscard]] std::vector<Count> counts() const;

  // For whoever maps the memory, before the first job. A name is added once.
  void add(std::string name, Entry entry) { entries_.emplace_back(std::move(name), entry); }
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }

 private:
  [[nodiscard]] const Entry* find(std::string_view name) const;
  [[nodiscard]] const Entry& need(std::string_view name) const;
  [[noreturn]] void refuse(std::string_view name, const Entry& entry, std::string_view wanted) const;
  [[nodiscard]] std::string list() const;

  std::vector<std::pair<std::string, Entry>> entries_;
};

}  // namespace runner
