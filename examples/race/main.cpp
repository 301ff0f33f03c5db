// race - worker processes that add to one number, carelessly and with care: how many additions get lost?
//
// Adding is three steps: read, add, write. Two workers that take them at the same time may both read 7 and both write 8. An atomic
// addition is one step that nobody can come between. docs/shared-state.md tells more.
#include <runner/process_pool.hpp>

#include <atomic>
#include <cstdio>
#include <vector>

namespace {

constexpr int kAdditions = 20'000'000;  // of one call

// `load` and `store` are atomic each, so this is no undefined behaviour; the race is between them.
int add_carelessly(int times, runner::JobContext& context) {
  std::atomic<std::int64_t>& sum = context.shared().counter("careless");
  for (int i = 0; i < times; ++i) sum.store(sum.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return times;
}

int add_with_care(int times, runner::JobContext& context) {
  std::atomic<std::int64_t>& sum = context.shared().counter("careful");
  for (int i = 0; i < times; ++i) sum.fetch_add(1, std::memory_order_relaxed);
  return times;
}

// What was added, as the calls say, and what arrived.
bool tell(const char* how, const std::vector<int>& added, std::int64_t arrived) {
  std::int64_t sum = 0;
  for (const int one : added) sum += one;
  std::printf("%-10s %lld added, %lld arrived, %lld lost\n", how, static_cast<long long>(sum), static_cast<long long>(arrived),
              static_cast<long long>(sum - arrived));
  return sum == arrived;
}

}  // namespace

int main() {
  runner::ProcessPool pool(
      {.procs = 2, .shared = {{"careless", runner::SharedCounter{0}}, {"careful", runner::SharedCounter{0}}}});
  const std::vector<int> calls(4, kAdditions);
  const std::vector<int> careless = pool.map(add_carelessly, calls);
  const std::vector<int> careful = pool.map(add_with_care, calls);
  tell("careless", careless, pool.shared().counter("careless"));
  return tell("with care", careful, pool.shared().counter("careful")) ? 0 : 1;
}
