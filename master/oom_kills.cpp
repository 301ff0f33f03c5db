#include "master/oom_kills.hpp"

#include <sstream>
#include <string>

namespace runner::master {

// "oom_kill 3" is a line of memory.events (v2) and of memory.oom_control (v1).
std::optional<std::uint64_t> OomKills::count() const {
  for (const CgroupFolder& folder : cgroup_folders("memory", read_)) {
    const std::optional<std::string> text =
        read_(folder.path + (folder.version == 2 ? "/memory.events" : "/memory.oom_control"));
    if (!text) continue;
    std::istringstream words(*text);
    std::uint64_t value = 0;
    for (std::string name; words >> name >> value;) {
      if (name == "oom_kill") return value;
    }
  }
  return std::nullopt;
}

bool OomKills::take(TimePoint now) {
  const std::optional<std::uint64_t> counted = count();
  if (now - grown_ > std::chrono::seconds(1)) unexplained_ = 0;
  if (counted && last_ && *counted > *last_) {
    unexplained_ += *counted - *last_;
    grown_ = now;
  }
  if (counted) last_ = counted;
  if (unexplained_ == 0) return false;
  --unexplained_;
  return true;
}

}  // namespace runner::master
