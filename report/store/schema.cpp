#include "report/store/schema.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace runner::report {

namespace {

constexpr std::int64_t kApplication = 0x72756e72;  // "runr"

// `status` is a word of the results file. Times are nanoseconds, points in time those since 1970. Large columns come last, so
// that a walk over the rows does not read them.
constexpr const char* kTables = R"(
CREATE TABLE runs(
  run INTEGER PRIMARY KEY,
  batch TEXT NOT NULL, file TEXT NOT NULL, folder TEXT NOT NULL, plugins TEXT NOT NULL,
  version TEXT NOT NULL, mode TEXT NOT NULL, engine TEXT NOT NULL, procs INTEGER NOT NULL,
  jobs INTEGER,                    -- in the batch; NULL: its end was not seen yet
  started_ns INTEGER NOT NULL,
  ended_ns INTEGER,                -- NULL: it runs, or was killed
  interrupted INTEGER NOT NULL DEFAULT 0,
  sittings INTEGER NOT NULL DEFAULT 1,  -- 1 and one for each time that it was resumed
  wall_ns INTEGER NOT NULL DEFAULT 0,  -- of all its starts; one that runs or was killed: until its last commit
  ok INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, crashed INTEGER NOT NULL DEFAULT 0,
  timed_out INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0, out_of_memory INTEGER NOT NULL DEFAULT 0,
  allowed INTEGER NOT NULL DEFAULT 0,   -- of those that are not ok: allowed to fail
  costs TEXT                            -- JSON, of the last sitting that came to its end
);
CREATE TABLE jobs(
  run INTEGER NOT NULL, job INTEGER NOT NULL,
  content BLOB NOT NULL,           -- the content key
  inputs INTEGER NOT NULL,         -- what the files that it reads were like; 0: it reads none
  name TEXT NOT NULL, kind TEXT NOT NULL, allow_failure INTEGER NOT NULL, attempts INTEGER NOT NULL,
  status TEXT NOT NULL, quarantined INTEGER NOT NULL,
  worker INTEGER,                  -- NULL: it was never started
  started_ns INTEGER NOT NULL, wall_ns INTEGER NOT NULL, cpu_ns INTEGER NOT NULL,
  exit_code INTEGER, signal INTEGER, limit_ns INTEGER, peak_memory INTEGER, reason TEXT,
  core TEXT, left_behind TEXT,     -- a path; processes, a line for each
  costs TEXT,                      -- JSON, of an attempt that was sampled
  result TEXT,                     -- JSON
  out_bytes INTEGER NOT NULL, err_bytes INTEGER NOT NULL,
  stdout BLOB, stderr BLOB,        -- beyond 1 MiB only the last 64 KiB
  work BLOB NOT NULL,              -- arguments of the kind, or the command, in wire form
  timeout_ns INTEGER NOT NULL, kill_after_ns INTEGER NOT NULL, memory INTEGER NOT NULL,  -- 0: none
  cpus INTEGER NOT NULL DEFAULT 1,
  threads INTEGER,                 -- that its libraries might start; NULL: nobody knows
  PRIMARY KEY(run, job)
) WITHOUT ROWID;
CREATE TABLE attempts(
  run INTEGER NOT NULL, job INTEGER NOT NULL, attempt INTEGER NOT NULL,
  status TEXT NOT NULL, quarantined INTEGER NOT NULL,
  worker INTEGER, started_ns INTEGER NOT NULL, wall_ns INTEGER NOT NULL, cpu_ns INTEGER NOT NULL,
  exit_code INTEGER, signal INTEGER, limit_ns INTEGER, peak_memory INTEGER, reason TEXT,
  core TEXT, left_behind TEXT, costs TEXT, result TEXT,
  out_bytes INTEGER NOT NULL, err_bytes INTEGER NOT NULL,
  stdout BLOB, stderr BLOB,
  PRIMARY KEY(run, job, attempt)
) WITHOUT ROWID;
)";

// From each version to the next, the first from 1.
constexpr std::array<const char*, kStoreVersion - 1> kUpgrades = {
    "ALTER TABLE runs ADD COLUMN costs TEXT; ALTER TABLE jobs ADD COLUMN costs TEXT; "
    "ALTER TABLE attempts ADD COLUMN costs TEXT; ",
    "ALTER TABLE jobs ADD COLUMN cpus INTEGER NOT NULL DEFAULT 1; ALTER TABLE jobs ADD COLUMN threads INTEGER; ",
};

// 0: an empty file.
Result<std::int64_t> version_of(Database& database) {
  // All three at one moment: another run may be making the tables.
  if (const Result<void> begun = database.run("SAVEPOINT look"); !begun) return tl::unexpected(begun.error());
  Result<std::int64_t> version = database.number("PRAGMA user_version");
  const Result<std::int64_t> application = version ? database.number("PRAGMA application_id") : version;
  const Result<std::int64_t> tables = application ? database.number("SELECT count(*) FROM sqlite_schema") : application;
  const Result<void> over = database.run("RELEASE look");
  if (!tables) return tables;
  if (!over) return tl::unexpected(over.error());
  if (*application != kApplication && (*tables != 0 || *version != 0)) {
    return fail(
        ErrorCode::unwritable,
        fmt::format("`{}` is a database of another program, not a run store; give another name with --store", database.path()));
  }
  if (*version > kStoreVersion) {
    return fail(
        ErrorCode::unwritable,
        fmt::format("the run store `{}` was written by a newer version of runner: its format is {}, this program knows {}; "
                    "use the newer program, or give another name with --store",
                    database.path(), *version, kStoreVersion));
  }
  return version;
}

}  // namespace

Result<Database> open_store(const std::string& path) {
  Result<Database> database = Database::open(path, Database::Access::create);
  if (!database) return database;
  const Result<std::int64_t> version = version_of(*database);
  if (!version) return tl::unexpected(version.error());
  // NORMAL: a commit survives the death of this program at once, and that of the machine a little later; nothing tears.
  Result<void> ready = database->run("PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-8000");
  if (ready && *version == 0) {
    ready = database->run("PRAGMA journal_mode=WAL");
    if (ready) ready = database->run("BEGIN IMMEDIATE");
    const Result<std::int64_t> now = ready ? version_of(*database) : version;  // another may have made them meanwhile
    if (!now) return tl::unexpected(now.error());
    if (ready && *now == 0) ready = database->run(kTables);
    if (ready)
      ready = database->run(
          fmt::format("PRAGMA application_id={}; PRAGMA user_version={}; COMMIT", kApplication, kStoreVersion).c_str());
  } else if (ready && *version < kStoreVersion) {
    std::string steps;
    for (auto step = static_cast<std::size_t>(*version) - 1; step < kUpgrades.size(); ++step) steps += kUpgrades[step];
    ready = database->run(fmt::format("BEGIN IMMEDIATE; {}PRAGMA user_version={}; COMMIT", steps, kStoreVersion).c_str());
  } else if (ready) {
    // Whether it can be written at all.
    ready = database->run(fmt::format("BEGIN IMMEDIATE; PRAGMA user_version={}; ROLLBACK", kStoreVersion).c_str());
  }
  if (!ready) return tl::unexpected(ready.error());
  return database;
}

Result<Database> read_store(const std::string& path) {
  if (::access(path.c_str(), R_OK) != 0) {
    return fail(ErrorCode::unwritable,
                fmt::format("there is no run store `{}` to read: {}; a run makes one, and --store names it", path,
                            std::strerror(errno)));
  }
  Result<Database> database = Database::open(path, Database::Access::read);
  if (!database) return database;
  Result<std::int64_t> version = version_of(*database);
  if (!version && ::access((path + "-wal").c_str(), F_OK) != 0) {
    // On a disk that cannot be written, SQLite has no place for what readers and writers share; there are no writers.
    Result<Database> frozen = Database::open(path, Database::Access::frozen);
    const Result<std::int64_t> same = frozen ? version_of(*frozen) : version;
    if (same) {
      database = std::move(frozen);
      version = same;
    }
  }
  if (!version) return tl::unexpected(version.error());
  if (*version == 0) {
    return fail(ErrorCode::unwritable, fmt::format("the run store `{}` is empty: no run was recorded in it", path));
  }
  if (*version < kStoreVersion) {
    return fail(
        ErrorCode::unwritable,
        fmt::format("the run store `{}` has the older format {}, this program reads {}; the next run that is recorded in "
                    "it, with --resume or without, brings it up to date",
                    path, *version, kStoreVersion));
  }
  return database;
}

}  // namespace runner::report
