// registry.hpp - the kinds this process knows: those linked in and those of its plug-ins.
//
// Called from  one thread while plug-ins are loaded, then read by any number of threads.
// Owns         nothing that is ever unloaded; kinds are at fixed addresses for the life of the program.
// Fails with   bad_plugin: missing, not a shared library, not one of ours, another version, or a kind that exists already.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runner/kind.hpp"
#include "runner/result.hpp"

namespace runner {

class Registry {
 public:
  // Starts with the kinds linked into this program.
  Registry();

  // Loads a shared library and adds its kinds. Loading the same file again changes nothing. Answers its absolute path.
  [[nodiscard]] Result<std::string> load_plugin(const std::string& path);

  [[nodiscard]] const Kind* find(std::string_view name) const;
  [[nodiscard]] std::vector<const Kind*> all() const;                                 // by name
  [[nodiscard]] std::vector<std::string_view> names() const;                          // sorted; for near_miss
  [[nodiscard]] const std::vector<std::string>& plugins() const { return plugins_; }  // absolute, as loaded

 private:
  [[nodiscard]] Result<void> add(const std::vector<Kind>& kinds, const std::string& from);

  std::map<std::string, const Kind*, std::less<>> kinds_;
  std::vector<std::string> plugins_;
};

}  // namespace runner
