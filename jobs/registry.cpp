#include "runner/registry.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "runner/job.hpp"

namespace runner {

Registry::Registry() {
  // Two built-in kinds of one name cannot be told apart; the test of `runner kinds` would show it.
  for (const Kind& kind : module_kinds()) kinds_.emplace(kind.name, &kind);
}

Result<std::string> Registry::load_plugin(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::canonical(path, error);
  if (error) return fail(ErrorCode::bad_plugin, fmt::format("the plug-in `{}` cannot be opened: {}", path, error.message()));
  if (std::find(plugins_.begin(), plugins_.end(), absolute.string()) != plugins_.end()) return absolute.string();

  // Never closed: its code may run until the end of the program.
  void* library = ::dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return fail(ErrorCode::bad_plugin, fmt::format("the plug-in `{}` cannot be loaded: {}", path, ::dlerror()));
  }
  using Entry = const PluginInfo* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(library, "runner_plugin"));
  if (entry == nullptr) {
    return fail(ErrorCode::bad_plugin,
                fmt::format("`{}` is a shared library but no runner plug-in (it has no `runner_plugin`; does a source of it "
                            "use RUNNER_JOB?)",
                            path));
  }
  const PluginInfo* info = entry();
  if (std::strcmp(info->abi, RUNNER_PLUGIN_ABI) != 0) {
    return fail(ErrorCode::bad_plugin,
                fmt::format("the plug-in `{}` was built for another version: it is for `{}`, this program for `{}`; build "
                            "it again with the installed headers",
                            path, info->abi, RUNNER_PLUGIN_ABI));
  }
  if (info->kinds()->empty()) {
    return fail(ErrorCode::bad_plugin,
                fmt::format("the plug-in `{}` defines no kind; does a source of it use RUNNER_JOB?", path));
  }
  if (Result<void> added = add(*info->kinds(), path); !added) return tl::unexpected(added.error());
  plugins_.push_back(absolute.string());
  return absolute.string();
}

Result<void> Registry::add(const std::vector<Kind>& kinds, const std::string& from) {
  for (const Kind& kind : kinds) {
    if (kinds_.contains(kind.name)) {
      return fail(ErrorCode::bad_plugin,
                  fmt::format("the plug-in `{}` defines the kind `{}`, which exists already", from, kind.name));
    }
  }
  for (const Kind& kind : kinds) kinds_.emplace(kind.name, &kind);
  return {};
}

const Kind* Registry::find(std::string_view name) const {
  const auto found = kinds_.find(name);
  return found == kinds_.end() ? nullptr : found->second;
}

std::vector<const Kind*> Registry::all() const {
  std::vector<const Kind*> kinds;
  for (const auto& [name, kind] : kinds_) kinds.push_back(kind);
  return kinds;
}

std::vector<std::string_view> Registry::names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, kind] : kinds_) names.emplace_back(name);
  return names;
}

}  // namespace runner
