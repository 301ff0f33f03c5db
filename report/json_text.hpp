// json_text.hpp - the small pieces of JSON that sinks write straight into their buffers.
//
// Called from  any thread. A million results a second pass here: no JSON document is built.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <runner/units.hpp>

namespace runner::report {

// A string in quotes. Bytes that are not UTF-8 become U+FFFD: JSON is Unicode.
void append_json_string(std::string& out, std::string_view text);
// RFC 4648, with padding.
void append_base64(std::string& out, std::string_view bytes);

void append_number(std::string& out, std::uint64_t number);
// Seconds as a decimal number, exact to the nanosecond: 1.25, 0.000000041, 0.
void append_seconds(std::string& out, Duration duration);

}  // namespace runner::report
