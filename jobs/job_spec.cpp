#include "runner/job_spec.hpp"

#include <string_view>

namespace runner {

std::string_view kind_of(const JobSpec& job) {
  const auto* typed = std::get_if<TypedWork>(&job.work);
  return typed != nullptr ? std::string_view(typed->kind) : std::string_view("command");
}

}  // namespace runner
