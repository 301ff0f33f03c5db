// delegation.hpp - whether this process may make control groups (v2) below its own, and what these could do for its jobs.
//
// Called from  the command line before a run; the doctor.
// Owns         nothing.
// Fails with   nothing: what cannot be read or written is not delegated, and the reasons say so.
#pragma once

#include <functional>
#include <string>

#include "master/cgroups.hpp"

namespace runner::master {

struct CgroupFiles {
  ReadFile read = &read_file;
  std::function<bool(const std::string& path)> may_write;  // there is such a file or folder, and it may be written
  [[nodiscard]] static CgroupFiles of_system();
};

struct Delegation {
  std::string folder;     // of the v2 group that this process is in; empty: there is none
  bool groups = false;    // groups can be made below it, and processes put into them
  std::string why_none;   // they cannot: why
  bool memory = false;    // ... whose memory can be limited
  std::string no_memory;  // it cannot: why
};

// Pure but for what `files` does.
[[nodiscard]] Delegation delegation(const CgroupFiles& files = CgroupFiles::of_system());

}  // namespace runner::master
