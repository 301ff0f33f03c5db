// modules.hpp - names functions of this program and its libraries for a process forked from it.
//
// A function is named by its module's place in a list and its offset there. The list is taken once, before the fork, so both
// sides have the same one; what is loaded later is in nobody's list and is refused. A name that lies in no module is refused
// too, so a damaged request never jumps anywhere. What is in the list stays loaded as long as the list is there: in the place of a
// library that was unloaded another could lie, and its functions be taken for those of the first.
//
// Called from  take: before the zygote is forked. name_of, find: any thread.
// Owns         the list, and a reference to each library.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace runner::ipc {

using FunctionName = std::uint64_t;  // module << 48 | offset

class Modules {
 public:
  [[nodiscard]] static Modules take();

  // Nothing: its module was not loaded yet when the list was taken.
  [[nodiscard]] std::optional<FunctionName> name_of(void (*function)()) const;
  // Nothing: no code of ours lies there.
  [[nodiscard]] void (*find(FunctionName name) const)();

 private:
  struct Code {  // one executable segment
    std::uintptr_t begin, end;
  };
  std::vector<Code> code_;
  std::vector<std::shared_ptr<void>> libraries_;
};

}  // namespace runner::ipc
