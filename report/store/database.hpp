// database.hpp - SQLite, as thin as it can be: a file, statements, and errors in words.
//
// Called from  one thread at a time.
// Owns         the connection; a Statement must not outlive its Database.
// Fails with   unwritable: "the run store `x.sqlite` ...", with what SQLite and the system say and what to do.
// Never        hands its descriptors to a program that is started: SQLite opens them close-on-exec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <runner/result.hpp>

struct sqlite3;
struct sqlite3_stmt;

namespace runner::report {

class Statement;

class Database {
 public:
  // read: what SQLite puts beside the file goes with the last who has it open, so readers open it for writing where they may, and write
  // nothing. frozen: to be read where not even SQLite's own files can be made beside it; nobody may write it meanwhile.
  enum class Access : std::uint8_t { read, frozen, create };
  // Nothing is read yet, so a file that is no database is noticed by the first statement only.
  [[nodiscard]] static Result<Database> open(const std::string& path, Access access);

  // One or more statements that give no rows.
  [[nodiscard]] Result<void> run(const char* sql);
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  // The first column of the only row.
  [[nodiscard]] Result<std::int64_t> number(std::string_view sql);
  // The key of the row that was inserted last.
  [[nodiscard]] std::int64_t last_row() const;
  // Why the call before failed. `doing`: "read", "written".
  [[nodiscard]] tl::unexpected<Error> failure(std::string_view doing) const;
  [[nodiscard]] const std::string& path() const { return *path_; }

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  Database(sqlite3* handle, std::string path, bool reads)
      : handle_(handle), path_(std::make_shared<const std::string>(std::move(path))), reads_(reads) {}

  std::unique_ptr<sqlite3, Close> handle_;
  std::shared_ptr<const std::string> path_;
  bool reads_;
};

// Call order   ((bind)* step* reset)*
class Statement {
 public:
  // `at` counts from 1. What `text` and `blob` point to must stay until the statement is reset.
  void bind(int at, std::int64_t value);
  void bind(int at, std::optional<std::int64_t> value);
  void text(int at, std::string_view value);
  void blob(int at, std::span<const std::byte> value);
  void null(int at);

  // True: there is a row to look at.
  [[nodiscard]] Result<bool> step();
  void reset();
  // step() of a statement that gives no rows, and reset().
  [[nodiscard]] Result<void> run();

  // `at` counts from 0. Views live until the next step.
  [[nodiscard]] std::int64_t number(int at) const;
  [[nodiscard]] bool is_null(int at) const;
  [[nodiscard]] std::optional<std::int64_t> maybe(int at) const;
  [[nodiscard]] std::string_view text(int at) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const;
  };
  Statement(sqlite3_stmt* handle, std::shared_ptr<const std::string> path) : handle_(handle), path_(std::move(path)) {}

  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  std::shared_ptr<const std::string> path_;  // a Database may move
};

}  // namespace runner::report
