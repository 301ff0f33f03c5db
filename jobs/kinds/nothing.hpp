// nothing.hpp - the arguments of a kind that takes none, and the result of one that has none: `{}`.
#pragma once

namespace runner {

struct Nothing {};

}  // namespace runner
