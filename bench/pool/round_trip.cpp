#include <memory>

#include "bench/ipc/mechanisms.hpp"
#include "bench/ipc/placement.hpp"
#include "bench/pool/sections.hpp"
#include "bench/pool/work.hpp"
#include "master/usable_cpus.hpp"

namespace runner::bench {

namespace {

std::string no_verdict(const Processors& processors) {
  if (!processors.has(Placement::other_core)) return "master and worker share the one processor there is";
  if (master::usable_cpus().quota) return "a CPU quota throttles who looks without sleeping, and the workers do not";
  return {};
}

}  // namespace

void round_trip(Table& table, const Scale& scale) {
  const Processors processors = Processors::discover();
  const Placement placement = processors.has(Placement::other_core) ? Placement::other_core : Placement::same_core;
  ProcessPool pool({.procs = 1, .bind = PoolBind::none});
  processors.bind_parent(placement);
  processors.bind_child(placement, pool.workers().front().pid);

  const std::unique_ptr<Mechanism> line = make_cache_line();
  Payloads payloads(sizeof(std::uint64_t));
  const Setting setting{processors, placement, std::chrono::milliseconds(20)};
  table.compare({.what = "round trip, worker awake : cache line",
                 .ours = [&] { return submit_noop(pool, 50'000 / scale.less, 1); },
                 .theirs = [&] { return bench::round_trip(*line, payloads, setting).value().each; },
                 .budget = at_most(4.0),
                 .no_verdict = no_verdict(processors)});
}

}  // namespace runner::bench
