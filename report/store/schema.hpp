// schema.hpp - the tables of a run store, and its opening.
//
//   runs      one row per run: what, when, how it went; the counts are those of its jobs
//   jobs      one row per job that has ended: its last attempt, with everything that is known about it
//   attempts  the attempts before that. A copy of the job's own row here says that the job is to run again: its row stays what
//             it is until another outcome takes its place, so that a killed run has lost none
//
// Jobs are found by (run, job), the order of the batch, so that rows are written one behind another. A negative job number is
// of a job that left the batch file when the run was resumed: kept, and used again should the job come back.
//
// Called from  one thread.
// Fails with   unwritable: see database.hpp; a file of a newer version, or of another program.
#pragma once

#include <string>

#include "report/store/database.hpp"

namespace runner::report {

inline constexpr int kStoreVersion = 3;  // 2: costs; 3: processors of a job

// Ready to be written. The caller holds its lock.
[[nodiscard]] Result<Database> open_store(const std::string& path);
// To be read only; runs may write it meanwhile. `path` must exist.
[[nodiscard]] Result<Database> read_store(const std::string& path);

// The columns that jobs and attempts have in common, in the order of the tables.
inline constexpr const char* kOutcomeColumns =
    "status,quarantined,worker,started_ns,wall_ns,cpu_ns,exit_code,signal,limit_ns,peak_memory,reason,core,left_behind,costs,"
    "result,"
    "out_bytes,err_bytes,stdout,stderr";
inline constexpr int kOutcomeColumnCount = 19;

// Attempt `a` is the copy of row `j`, which is to run again.
inline constexpr const char* kPending =
    "a.run=j.run AND a.job=j.job AND a.attempt=j.attempts AND a.started_ns=j.started_ns AND a.status=j.status";

}  // namespace runner::report
