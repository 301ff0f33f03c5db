// print.hpp - one page of text on standard output, which is all that some commands do.
//
// Called from  the main thread, last.
// Fails with   never: what cannot be written is complained of. Answers the exit status.
#pragma once

#include <string_view>

namespace runner::cli {

[[nodiscard]] int print(std::string_view text);

}  // namespace runner::cli
