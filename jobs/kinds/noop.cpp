// Nothing at all: what is left is the cost of running a job.
#include <runner/job.hpp>

#include "jobs/kinds/nothing.hpp"

namespace runner {
namespace {

Nothing noop(const Nothing&, JobContext&) { return {}; }

RUNNER_JOB("noop", noop, "Does nothing, to measure what running a job costs.")

}  // namespace
}  // namespace runner
