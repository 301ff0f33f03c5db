// schema.hpp - the tables of a run store, and its opening.
//
//   runs      one row per run: what, when, how it went; the counts are those of its jobs
//   jobs      one row per job that has ended: its last attempt, with everything that is known about it
//   attempts  the attempts before that
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

inline constexpr int kStoreVersion = 1;

// Ready to be written. The caller holds its lock.
[[nodiscard]] Result<Database> open_store(const std::string& path);
// To be read only; runs may write it meanwhile. `path` must exist.
[[nodiscard]] Result<Database> read_store(const std::string& path);

// The columns that jobs and attempts have in common, in the order of the tables.
inline constexpr const char* kOutcomeColumns =
    "status,quarantined,worker,started_ns,wall_ns,cpu_ns,exit_code,signal,limit_ns,peak_memory,reason,core,left_behind,result,"
    "out_bytes,err_bytes,stdout,stderr";
inline constexpr int kOutcomeColumnCount = 18;

}  // namespace runner::report
