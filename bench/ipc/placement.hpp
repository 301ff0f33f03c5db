// placement.hpp - which processors parent and children run on while they are measured.
//
// Called from  discover: main, once, before anything is bound. bind: any process, for itself, or bind_child for a child.
// Fails with   bind: std::system_error.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace runner::bench {

enum class Placement { same_core, other_core, anywhere };

[[nodiscard]] std::string to_string(Placement placement);

class Processors {
 public:
  [[nodiscard]] static Processors discover();

  [[nodiscard]] bool has(Placement placement) const { return placement != Placement::other_core || other_.has_value(); }
  // Why there is no other core, or what is odd about it; empty: nothing to say.
  [[nodiscard]] const std::string& remark() const { return remark_; }
  // "0-1, parent on 0, other core 1"
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] std::size_t count() const { return usable_.size(); }
  // Whether so many processes have fewer processors than they are.
  [[nodiscard]] bool crowded(Placement placement, std::size_t processes) const;

  // The processors of parent and child only: more are as if they were not there.
  void bind_to_two() const;
  void bind_parent(Placement placement) const;
  void bind_child(Placement placement, pid_t child = 0) const;

 private:
  std::vector<int> usable_;
  std::optional<int> other_;
  std::string remark_;
};

}  // namespace runner::bench
