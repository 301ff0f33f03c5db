// overloaded.hpp - one visitor out of several lambdas, for std::visit over the sum types of outcome.hpp and others.
#pragma once

namespace runner {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace runner
