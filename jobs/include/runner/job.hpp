// job.hpp - everything a job kind needs: include this, write a struct, a function and one macro.
//
//   struct PrimesArgs {
//     std::uint64_t limit{};
//     template <class A> void serialize(A& a) { a(runner::arg("limit", limit, "primes below this are counted")); }
//   };
//   struct Primes { std::uint64_t count{}; template <class A> void serialize(A& a) { a(CEREAL_NVP(count)); } };
//   Primes count_primes(const PrimesArgs&, runner::JobContext&);
//   RUNNER_JOB("primes", count_primes, "Counts the primes below `limit`.")
//
// The same source is a built-in kind when linked into a program (as an object, or a static library may drop it) and a
// plug-in when built as a shared library. A plug-in must be built with the same compiler ABI and runner version: the entry
// point says which, and the loader refuses any other before it looks further.
#pragma once

#include <cereal/cereal.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "runner/arg.hpp"
#include "runner/describe_type.hpp"
#include "runner/job_context.hpp"
#include "runner/kind.hpp"
#include "runner/read_value.hpp"
#include "runner/to_json.hpp"
#include "runner/version.hpp"
#include "runner/wire.hpp"

namespace runner {

// The kinds that the objects of this program or shared library registered. Hidden, so that each module has its own.
[[gnu::visibility("hidden")]] inline std::vector<Kind>& module_kinds() {
  static std::vector<Kind> kinds;
  return kinds;
}

// What a plug-in's entry point answers. `abi` comes first and is compared before anything else is read.
struct PluginInfo {
  const char* abi;
  const char* version;
  std::vector<Kind>* (*kinds)();
};

template <class F>
struct JobSignature;
template <class R, class A>
struct JobSignature<R (*)(const A&, JobContext&)> {
  using Args = A;
  using Returned = R;
};

template <auto Function>
[[nodiscard]] Kind make_kind(const char* name, const char* description) {
  using Args = typename JobSignature<decltype(Function)>::Args;
  using Returned = typename JobSignature<decltype(Function)>::Returned;
  Kind kind;
  kind.name = name;
  kind.description = description;
  kind.arguments = &describe_fields<Args>;
  kind.results = &describe_fields<Returned>;
  kind.encode_args = [](const Value& value, const std::string& owner) {
    Args args{};
    ValueReader reader(value, owner);
    reader(args);
    reader.finish();
    return to_wire(args);
  };
  kind.call = [](std::span<const std::byte> wire, JobContext& context) {
    const Args args = from_wire<Args>(wire);
    context.entered();
    const Returned result = Function(args, context);
    context.left();
    return to_wire(result);
  };
  kind.args_json = [](std::span<const std::byte> wire) {
    return to_json_value(from_wire<Args>(wire)).dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  kind.is_result = [](std::span<const std::byte> wire) {
    try {
      static_cast<void>(from_wire<Returned>(wire));
      return true;
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception&) {
      return false;
    }
  };
  kind.result_json = [](std::span<const std::byte> wire) {
    return to_json_value(from_wire<Returned>(wire)).dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  return kind;
}

[[gnu::visibility("hidden")]] inline std::vector<Kind>* module_kinds_address() { return &module_kinds(); }
[[gnu::visibility("hidden")]] inline constexpr PluginInfo kModulePlugin{RUNNER_PLUGIN_ABI, RUNNER_VERSION_STRING,
                                                                        &module_kinds_address};

struct KindRegistration {
  explicit KindRegistration(Kind kind) { module_kinds().push_back(std::move(kind)); }
};

}  // namespace runner

// Inline, so that several objects of one module may each carry it; used, or the optimizer drops what no code of this module
// calls. What it points to is hidden: the dynamic linker merges the exported statics of all plug-ins, and each would answer
// with the kinds of the first.
extern "C" [[gnu::used, gnu::visibility("default")]] inline const runner::PluginInfo* runner_plugin() {
  return &runner::kModulePlugin;
}

#define RUNNER_JOB_CONCAT_(a, b) a##b
#define RUNNER_JOB_NAME_(count) RUNNER_JOB_CONCAT_(runner_kind_registration_, count)
// RUNNER_JOB(name, function, description): registers `Result function(const Args&, runner::JobContext&)`. At namespace scope.
#define RUNNER_JOB(name, function, description)                                                                      \
  namespace {                                                                                                        \
  const ::runner::KindRegistration RUNNER_JOB_NAME_(__COUNTER__){::runner::make_kind<&function>(name, description)}; \
  }
