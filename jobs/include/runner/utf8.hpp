// utf8.hpp - is this text UTF-8, and may a terminal show it as it is? RFC 3629.
#pragma once

#include <cstddef>
#include <string_view>

namespace runner {

// How many bytes the character at the front of `text` takes; 0: it is none (or the text is empty).
[[nodiscard]] std::size_t utf8_length(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

// UTF-8 without control characters (C0, DEL, C1): no line breaks, nothing that moves a cursor.
[[nodiscard]] bool is_printable(std::string_view text);

}  // namespace runner
