// kind.hpp - one registered kind of job: its name, its table of arguments, and the typed function behind plain bytes.
//
// Called from  encode_args, args_json and result_json: the master's thread. call: whichever thread or process runs the job.
// Owns         its description; the functions are code of the program or of a plug-in that is never unloaded.
// Fails with   encode_args throws ValueError, args_json, result_json and call throw WireError on bytes that are not theirs, and
//              call
//              lets every exception of the job's own function pass.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runner/job_context.hpp"
#include "runner/value.hpp"

namespace runner {

struct FieldInfo;
struct AsyncBody;  // async_job.hpp

struct Kind {
  std::string name;
  std::string description;                          // one sentence
  std::vector<FieldInfo> (*arguments)() = nullptr;  // describe_type.hpp
  std::vector<FieldInfo> (*results)() = nullptr;

  // Arguments as written -> wire bytes.
  std::string (*encode_args)(const Value& args, const std::string& owner) = nullptr;
  // Wire bytes of arguments -> wire bytes of the result.
  std::string (*call)(std::span<const std::byte> args, JobContext& context) = nullptr;
  // Wire bytes -> JSON text of one line.
  std::string (*args_json)(std::span<const std::byte> args) = nullptr;
  bool (*is_result)(std::span<const std::byte> result) = nullptr;  // whether these bytes are one at all; std::bad_alloc
  std::string (*result_json)(std::span<const std::byte> result) = nullptr;

  // How the async engine runs it without blocking its loop; null: `call` runs on the loop and blocks it.
  std::shared_ptr<const AsyncBody> async;
};

}  // namespace runner
