// job_spec.hpp - one job, fully expanded: what to run and under which rules.
//
// Called from  config builds it, master schedules it, worker runs its `work`. A plain value.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runner/ids.hpp"
#include "runner/retry.hpp"
#include "runner/units.hpp"

namespace runner {

// A registered kind with its arguments, already checked and in wire form (wire.hpp).
struct TypedWork {
  std::string kind;
  std::string args;
  Bytes memory{};          // that its worker may have while it runs; zero: no limit
  std::uint32_t cpus = 1;  // that it was promised: its context tells it
  Duration encoding{};     // how long it took to make the bytes of its arguments, as far as that was measured
};

// A program. List form: argv[0] is looked up in PATH, no shell. Shell form: argv is {"/bin/sh", "-c", script}.
struct CommandWork {
  std::vector<std::string> argv;
  std::string stdin_path;                  // empty: /dev/null
  std::string cwd;                         // empty: that of the master
  std::map<std::string, std::string> env;  // added to the inherited environment
  Duration kill_after = kKillAfter;        // from TERM to KILL, when it is ended early
  Bytes memory{};                          // that all its processes together may have; zero: no limit
  std::uint32_t cpus = 1;                  // that it was promised: the environment tells it and its libraries

  static constexpr Duration kKillAfter = std::chrono::seconds(2);

  template <class Archive>
  void serialize(Archive& archive) {
    archive(argv, stdin_path, cwd, env, kill_after, memory, cpus);
  }
};

using Work = std::variant<TypedWork, CommandWork>;

struct JobSpec {
  JobId id{};
  std::string name;  // unique in the batch
  Work work;
  Duration timeout{};             // of one attempt; zero: none
  std::uint32_t retries = 0;      // further attempts after one whose ending is in retry_on
  RetryOn retry_on;               // which endings are tried again
  Backoff backoff;                // how long to wait before that
  std::uint32_t crash_limit = 3;  // workers that it may kill before it is quarantined; at least 1
  std::int32_t priority = 0;      // higher first, of what is ready
  bool allow_failure = false;     // its failure does not make the run fail
  bool repeatable = true;         // false: it has effects that must not be had again only to measure it
  std::uint32_t demand = 0;       // which of the batch's: what it occupies while it runs

  // What a resumed run knows the job by, beside `work`.
  std::string values;               // of its matrix, in an unambiguous form
  std::vector<std::string> inputs;  // files that it reads
};

// What results call the kind of a job: the kind's name, or "command".
[[nodiscard]] std::string_view kind_of(const JobSpec& job);

}  // namespace runner
