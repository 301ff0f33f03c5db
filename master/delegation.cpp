#include "master/delegation.hpp"

#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <utility>

namespace runner::master {

namespace {

bool has_word(const std::string& text, std::string_view wanted) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (word == wanted) return true;
  }
  return false;
}

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

CgroupFiles CgroupFiles::of_system() {
  return {&read_file, [](const std::string& path) { return ::access(path.c_str(), W_OK) == 0; }};
}

Delegation delegation(const CgroupFiles& files) {
  Delegation found;
  std::optional<std::string> controllers;
  // The first that there is: inside a namespace the path of the own group may not be visible.
  for (const CgroupFolder& folder : cgroup_folders({}, files.read)) {
    if (folder.version != 2) continue;
    controllers = files.read(folder.path + "/cgroup.controllers");
    if (!controllers) continue;
    found.folder = folder.path;
    break;
  }
  if (!controllers) {
    found.why_none = "no cgroup v2 is mounted";
    found.no_memory = found.why_none;
    return found;
  }
  if (!files.may_write(found.folder) || !files.may_write(found.folder + "/cgroup.procs")) {
    found.why_none = "nobody has delegated " + found.folder + " to this user (systemd-run --user --scope -p Delegate=yes does)";
    found.no_memory = found.why_none;
    return found;
  }
  // The root has no cgroup.kill of its own, but groups below it do, where the kernel has it; cgroup.pressure is younger.
  const bool root = !files.read(found.folder + "/cgroup.type");
  found.groups = files.may_write(found.folder + (root ? "/cgroup.pressure" : "/cgroup.kill"));
  if (!found.groups) found.why_none = "this kernel has no cgroup.kill (5.14 does)";
  if (has_word(files.read(found.folder + "/cgroup.subtree_control").value_or(""), "memory")) {
    found.memory = found.groups;
    found.no_memory = found.why_none;
  } else if (!has_word(*controllers, "memory")) {
    const std::string has = one_line(*controllers);
    found.no_memory = "memory is no controller of " + found.folder + (has.empty() ? ", it has none" : ", these are: " + has);
  } else {
    found.no_memory = "memory is not handed on to groups below " + found.folder + " (its cgroup.subtree_control)";
  }
  return found;
}

}  // namespace runner::master
