#include "report/store/database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>

namespace runner::report {

namespace {

// What a person can do about it.
std::string_view advice(int code, int error) {
  if ((code & 0xff) == SQLITE_FULL || error == ENOSPC) return "; free some space on its disk";
  if (error == EDQUOT) return "; your quota on its disk is used up";
  if (error == EFBIG) return "; a limit of file sizes (ulimit -f) is reached";
  switch (code & 0xff) {
    case SQLITE_IOERR: return error == 0 ? "; look whether a quota or a limit of file sizes (ulimit -f) is reached" : "";
    case SQLITE_NOTADB: return "; give another name with --store";
    case SQLITE_CORRUPT: return "; keep it aside and give another name with --store";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN: return "; look at the permissions of the file and its folder, or give another name with --store";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "; another program works on it, try again when that is done";
    default: return "";
  }
}

tl::unexpected<Error> failed(sqlite3* handle, const std::string& path, std::string_view doing) {
  if (handle == nullptr)
    return fail(ErrorCode::unwritable, fmt::format("the run store `{}` cannot be {}: out of memory", path, doing));
  const int code = ::sqlite3_extended_errcode(handle);
  const int kind = code & 0xff;
  const int error = kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN || kind == SQLITE_FULL ? ::sqlite3_system_errno(handle) : 0;
  std::string why = ::sqlite3_errmsg(handle);
  if (error != 0) why += fmt::format(" ({})", std::strerror(error));
  return fail(ErrorCode::unwritable,
              fmt::format("the run store `{}` cannot be {}: {}{}", path, doing, why, advice(code, error)));
}

// RFC 3986: what has a meaning there, or could have one, is written as %41.
std::string as_uri(std::string_view path) {
  std::string uri = "file:";
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '.' ||
                       c == '-' || c == '_';
    plain ? uri += c : uri += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return uri;
}

}  // namespace

void Database::Close::operator()(sqlite3* handle) const { ::sqlite3_close_v2(handle); }
void Statement::Finalize::operator()(sqlite3_stmt* handle) const { ::sqlite3_finalize(handle); }

Result<Database> Database::open(const std::string& path, Access access) {
  const bool reads = access != Access::create;
  // Where the file may not be written, READWRITE reads.
  const int flags = access == Access::frozen ? SQLITE_OPEN_READONLY
                    : reads                  ? SQLITE_OPEN_READWRITE
                                             : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  // One thread at a time uses it. A path such as `:memory:` or `file:...` is the name of a file too.
  std::string name = path.starts_with('/') ? path : "./" + path;
  if (access == Access::frozen) name = as_uri(name) + "?immutable=1";
  const int answer = ::sqlite3_open_v2(name.c_str(), &handle,
                                       flags | SQLITE_OPEN_NOMUTEX | (access == Access::frozen ? SQLITE_OPEN_URI : 0), nullptr);
  Database database(handle, path, reads);
  if (answer != SQLITE_OK) return database.failure("opened");
  ::sqlite3_extended_result_codes(handle, 1);
  ::sqlite3_busy_timeout(handle, 10'000);  // a reader may be at it for a moment
  if (reads) {
    if (const Result<void> tied = database.run("PRAGMA query_only=1"); !tied) return tl::unexpected(tied.error());
  }
  return database;
}

tl::unexpected<Error> Database::failure(std::string_view doing) const { return failed(handle_.get(), *path_, doing); }

Result<void> Database::run(const char* sql) {
  if (::sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure(reads_ ? "read" : "written");
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  if (::sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &handle,
                           nullptr) != SQLITE_OK) {
    return failure("read");
  }
  return Statement(handle, path_);
}

Result<std::int64_t> Database::number(std::string_view sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return tl::unexpected(statement.error());
  const Result<bool> row = statement->step();
  if (!row) return tl::unexpected(row.error());
  return *row ? statement->number(0) : 0;
}

std::int64_t Database::last_row() const { return ::sqlite3_last_insert_rowid(handle_.get()); }

void Statement::bind(int at, std::int64_t value) { ::sqlite3_bind_int64(handle_.get(), at, value); }
void Statement::bind(int at, std::optional<std::int64_t> value) { value ? bind(at, *value) : null(at); }
void Statement::text(int at, std::string_view value) {
  // A view of nothing may point nowhere, which would be NULL.
  ::sqlite3_bind_text64(handle_.get(), at, value.data() == nullptr ? "" : value.data(), value.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
}
void Statement::blob(int at, std::span<const std::byte> value) {
  ::sqlite3_bind_blob64(handle_.get(), at, value.empty() ? static_cast<const void*>("") : value.data(), value.size(),
                        SQLITE_STATIC);
}
void Statement::null(int at) { ::sqlite3_bind_null(handle_.get(), at); }

Result<bool> Statement::step() {
  const int answer = ::sqlite3_step(handle_.get());
  if (answer == SQLITE_ROW) return true;
  if (answer == SQLITE_DONE) return false;
  return failed(::sqlite3_db_handle(handle_.get()), *path_, ::sqlite3_column_count(handle_.get()) != 0 ? "read" : "written");
}

void Statement::reset() { ::sqlite3_reset(handle_.get()); }

Result<void> Statement::run() {
  const Result<bool> row = step();
  reset();
  if (!row) return tl::unexpected(row.error());
  return {};
}

std::int64_t Statement::number(int at) const { return ::sqlite3_column_int64(handle_.get(), at); }
bool Statement::is_null(int at) const { return ::sqlite3_column_type(handle_.get(), at) == SQLITE_NULL; }
std::optional<std::int64_t> Statement::maybe(int at) const {
  if (is_null(at)) return std::nullopt;
  return number(at);
}
std::string_view Statement::text(int at) const {
  const void* data = ::sqlite3_column_blob(handle_.get(), at);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(::sqlite3_column_bytes(handle_.get(), at))};
}

}  // namespace runner::report
