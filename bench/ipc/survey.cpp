#include "bench/ipc/survey.hpp"

#include <set>
#include <utility>

#include "bench/ipc/trial.hpp"

namespace runner::bench {

namespace {

class Surveyor {
 public:
  Surveyor(const std::vector<std::unique_ptr<Mechanism>>& mechanisms, const Plan& plan, const Processors& processors)
      : mechanisms_(mechanisms), plan_(plan), processors_(processors) {}

  void one_child(std::size_t bytes) {
    Payloads payloads(bytes);
    for (const std::unique_ptr<Mechanism>& mechanism : mechanisms_) {
      if (!takes(*mechanism, bytes)) continue;
      for (const Placement placement : {Placement::same_core, Placement::other_core}) {
        if (!processors_.has(placement)) continue;
        const Measured measured{What::round_trip, mechanism->name(), bytes, 1, placement};
        const Result<RoundTrip> trip = round_trip(*mechanism, payloads, setting(placement));
        keep(measured, trip.map([](const RoundTrip& one) { return one.each; }));
        if (trip) results_.add(measured, trip->distribution);
      }
      const Placement placement = stream_placement(processors_);
      keep({What::stream, mechanism->name(), bytes, 1, placement}, stream(*mechanism, payloads, 1, setting(placement)));
    }
    const Placement placement = stream_placement(processors_);
    results_.add({What::stream, kCopyWarm, bytes, 1, placement}, copy_warm(payloads, setting(placement)));
    results_.add({What::stream, kCopyFresh, bytes, 1, placement}, copy_fresh(payloads, setting(placement)));
  }

  void crew(std::size_t bytes, std::size_t children) {
    Payloads payloads(bytes);
    for (const std::unique_ptr<Mechanism>& mechanism : mechanisms_) {
      if (!takes(*mechanism, bytes)) continue;
      keep({What::stream, mechanism->name(), bytes, children, Placement::anywhere},
           stream(*mechanism, payloads, children, setting(Placement::anywhere)));
    }
  }

  [[nodiscard]] Results results() && { return std::move(results_); }

 private:
  [[nodiscard]] Setting setting(Placement placement) const { return {processors_, placement, plan_.least}; }

  bool takes(const Mechanism& mechanism, std::size_t bytes) {
    if (bytes <= mechanism.most_bytes()) return true;
    results_.remark(mechanism.name() + ": " + mechanism.limit());
    return false;
  }
  void keep(const Measured& measured, const Result<Seconds>& sample) {
    if (sample) return results_.add(measured, *sample);
    const std::string reason = measured.by + ": " + sample.error().text;
    if (!refused_.insert(reason).second) return;
    const std::string where = std::to_string(measured.bytes) + " bytes, " + std::to_string(measured.children);
    results_.remark(reason + " (first with " + where + (measured.children == 1 ? " worker)" : " workers)"));
  }

  const std::vector<std::unique_ptr<Mechanism>>& mechanisms_;
  const Plan& plan_;
  const Processors& processors_;
  Results results_;
  std::set<std::string> refused_;  // each reason is told once
};

}  // namespace

Placement stream_placement(const Processors& processors) {
  return processors.has(Placement::other_core) ? Placement::other_core : Placement::same_core;
}

Results survey(const std::vector<std::unique_ptr<Mechanism>>& mechanisms, const Plan& plan, const Processors& processors,
               const std::function<void(double)>& progress) {
  Surveyor surveyor(mechanisms, plan, processors);
  const std::size_t steps = plan.repetitions * (plan.sizes.size() + plan.crews.size() * plan.crew_sizes.size());
  std::size_t done = 0;
  const auto step = [&] { progress(static_cast<double>(++done) / static_cast<double>(steps)); };
  for (std::size_t repetition = 0; repetition < plan.repetitions; ++repetition) {
    for (const std::size_t bytes : plan.sizes) {
      surveyor.one_child(bytes);
      step();
    }
    for (const std::size_t bytes : plan.crew_sizes) {
      for (const std::size_t children : plan.crews) {
        surveyor.crew(bytes, children);
        step();
      }
    }
  }
  return std::move(surveyor).results();
}

}  // namespace runner::bench
