// kinds_table.hpp - what `runner kinds` prints: every kind with its arguments and its result, for people or as JSON.
//
// Called from  the main thread. Answers text; printing it is the caller's.
// Fails with   usage: no kind of that name, with the nearest one.
#pragma once

#include <string>
#include <string_view>

#include <runner/registry.hpp>
#include <runner/result.hpp>

namespace runner::report {

// One kind a paragraph.
[[nodiscard]] std::string kinds_table(const Registry& registry);
// One kind, with an entry for a batch file to start from.
[[nodiscard]] Result<std::string> kind_page(const Registry& registry, std::string_view name);
// A list of all kinds, or the one of that name:
//   {"name","description","arguments":[{"name","type","unit","required","default","range":[low,high],"choices","description"}],
//    "result":[{"name","type",...}]}
[[nodiscard]] std::string kinds_json(const Registry& registry);
[[nodiscard]] Result<std::string> kind_json(const Registry& registry, std::string_view name);

}  // namespace runner::report
