// result.hpp - a value, or the error that stands in its place.
//
// Error codes are closed: programs switch on the code, people read the text. Nobody compares the text.
// A text says what was found, where, what was expected and what to do; it is one line without a final newline.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace runner {

enum class ErrorCode {
  usage,       // the command line or an argument of the library cannot be used
  bad_batch,   // the batch file (or something it names) is wrong; nothing has run
  bad_plugin,  // a plug-in is missing, not ours, or built for another version
  system,      // the operating system refused something
  exhausted,   // it has no more of something just now, and will have again when others have done with it
  protocol,    // a peer process sent what it must never send
  unwritable,  // results or output could not be written
};

struct Error {
  ErrorCode code{};
  std::string text;
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string text) {
  return tl::unexpected<Error>(Error{code, std::move(text)});
}

}  // namespace runner
