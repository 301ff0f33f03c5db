// section.hpp - one mapping of the batch file whose keys are known: take them, then make sure that none is left over.
//
// Called from  read_batch.cpp, entry.cpp, typed_arguments.cpp and shared.cpp.
// Owns         nothing; a view of a Value that must outlive it.
// Fails with   BadBatch: not a mapping, or an unknown key (with a near miss).
// Call order   take* finish
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <runner/value.hpp>

namespace runner::config {

// The text that a value is; `what` is for the message when it is none.
[[nodiscard]] const Scalar& scalar_of(const Value& value, std::string_view what);

class Section {
 public:
  // `what` is for messages: "a job", "`defaults`".
  Section(const Value& value, std::string what);

  // Null: the key is not there.
  [[nodiscard]] const Value* take(std::string_view key);
  // As take; it must be there. `advice` says what to write.
  [[nodiscard]] const Value& need(std::string_view key, std::string_view advice);
  // Keys that the format knows but this version of the program does not support get a message of their own.
  void finish() const;

 private:
  const Value* value_;
  std::string what_;
  std::vector<std::string_view> known_;
};

}  // namespace runner::config
