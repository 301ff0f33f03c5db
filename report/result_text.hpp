// result_text.hpp - the result of a typed job as one line of JSON, made once however many sinks print it.
//
// Called from  the run loop's thread.
// Owns         the text it made last.
// Fails with   protocol: the bytes of the result are not those of its kind.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <runner/registry.hpp>
#include <runner/result.hpp>
#include "master/sink.hpp"

namespace runner::report {

class ResultText {
 public:
  explicit ResultText(const Registry& registry) : registry_(registry) {}

  // Of a typed job that succeeded. The text stays until the next call.
  [[nodiscard]] Result<std::string_view> of(const master::JobRecord& record);

 private:
  const Registry& registry_;
  const Kind* kind_ = nullptr;
  std::optional<JobId> job_;
  std::string wire_;  // what text_ was made from; small results repeat
  std::string text_;
};

}  // namespace runner::report
