// printable.hpp - text of unknown origin as a terminal may show it, counted in the columns it takes there.
//
// A job's name or an error may hold line breaks, escape sequences, or bytes that are no text. They are shown as `\n`, `\x1b`,
// `\xff`, so that nothing moves the cursor or spoofs another line.
//
// Called from  any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace runner::report {

[[nodiscard]] std::string printable(std::string_view text);

// Columns on a terminal: two for wide characters (East Asian, emoji), none for combining ones. After Unicode's
// EastAsianWidth.txt in ranges; a terminal of another opinion differs by a column here and there. `text` is printable.
[[nodiscard]] std::size_t columns_of(std::string_view text);

// Printable text of at most `columns`; what was cut shows as `…`.
[[nodiscard]] std::string fit(std::string_view text, std::size_t columns);

// Lines of facts (`a · b · c`) that are too long go on below, indented, broken between two facts. A fact that is too long by
// itself stays whole.
[[nodiscard]] std::string folded(std::string_view text, std::size_t columns);

// "2 000": digits in groups of three.
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace runner::report
