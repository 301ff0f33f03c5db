// process_pool.hpp - calls any plain function in isolated worker processes: the ProcessPoolExecutor that C++ never had.
//
//   double price(const Option& option);
//
//   int main() {
//     runner::ProcessPool pool({.procs = 8});
//     std::vector<double> prices = pool.map(price, options);          // in the order of the input, in chunks
//     runner::Future<double> one = pool.submit(price, options[0]);
//     double value = one.get();                                        // throws JobError: what happened, with the evidence
//   }
//
// Workers are forked from a small zygote that is made with the pool: make the pool first, before the program has threads or much
// data. Functions must be part of the program, or of a library loaded by then. What a function changes (globals, arguments) it
// changes in its worker only.
//
// A call that crashes its worker costs that call and nothing else: the one that was running is the one that failed, its neighbours in
// the same chunk are done or are run again, and a new worker takes the place of the dead one.
//
// There is no helper thread: calls that were submitted run, but what became of them, and of a worker that died, is looked at while
// somebody is in submit(), map() or get().
//
// A worker leaves behind exit() in a call as it would behind a crash, and runs nothing that this program has set up for its own
// end. What calls print to standard output goes to standard error. A call that forks must end its child with _exit().
//
// Called from  any thread, several at a time; constructed by a thread that outlives the pool (the workers die with it), the main
//              thread best. Of no use in a child that this process forks: PoolError there, and its copy may be destroyed.
// Owns         the worker processes; destroying the pool ends them. Calls that had not ended are Cancelled. Libraries that were
//              loaded when it was made stay loaded as long as it lives. Where standard input, output or error is closed, it gets
//              /dev/null.
// Fails with   the constructor: PoolError. map: JobError of the first item that has no result, when all have ended. All: PoolError
//              when workers cannot be started any more, or a function was loaded after the pool was made. A result that cannot be
//              read (serialize throws, or does not read what it wrote) fails its call, and in a map what lies behind it in its
//              chunk.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <tl/expected.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "runner/future.hpp"
#include "runner/pool_work.hpp"
#include "runner/shared.hpp"

namespace runner {

struct PoolError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class PoolTransport : std::uint8_t { shm, pipe };
// core: each worker has a core of its own, where there are enough. A kernel that wakes a worker tends to put it where its waker
// runs, and two that talk all the time then share one core while another is idle.
enum class PoolBind : std::uint8_t { core, none };

struct PoolOptions {
  std::uint32_t procs = 0;  // worker processes; 0: as many as there are usable CPUs (affinity, cgroup quota)
  PoolTransport transport = PoolTransport::shm;
  PoolBind bind = PoolBind::core;
  Bytes max_result = kMaxResult;             // a call with a larger result fails
  std::uint32_t depth = 512;                 // requests in flight per worker, a power of two
  Bytes memfd_from{std::uint64_t{1} << 20};  // larger arguments and results travel in a segment of their own
  Bytes results{std::uint64_t{1} << 20};     // memory for the results of one worker that wait to be collected
  std::vector<SharedSpec> shared{};          // files, counters and regions that all workers and this process have in common
};

// A worker process of a pool, for tests and for people who look.
struct PoolWorker {
  int pid = -1;                // -1: it could not be replaced, and the pool is of no use any more
  std::uint64_t replaced = 0;  // how many died on its seat before it
};

// Whether values of types A... can be passed for those of the tuple Sent.
template <class Sent, class... A>
inline constexpr bool kFit = sizeof...(A) != std::tuple_size_v<Sent> || std::is_constructible_v<Sent, A&&...>;

class ProcessPool {
 public:
  explicit ProcessPool(const PoolOptions& options = {});
  ~ProcessPool();
  ProcessPool(const ProcessPool&) = delete;
  ProcessPool& operator=(const ProcessPool&) = delete;

  [[nodiscard]] std::uint32_t procs() const;
  [[nodiscard]] std::vector<PoolWorker> workers() const;
  // What PoolOptions::shared asked for. A function sees the same through a JobContext& as its last parameter.
  [[nodiscard]] const Shared& shared() const;

  // Calls function(arguments...) in a worker. Does not wait.
  template <class F, class... A>
  [[nodiscard]] Future<typename TraitsOf<F>::Returned> submit(F function, A&&... arguments) {
    using Traits = TraitsOf<F>;
    using Call = CallState<typename Traits::Returned, typename Traits::Sent>;
    static_assert(sizeof...(A) == std::tuple_size_v<typename Traits::Sent>,
                  "the function takes another number of arguments (a JobContext& at its end is not passed)");
    static_assert(kFit<typename Traits::Sent, A...>, "an argument cannot be converted to the type of its parameter");
    auto call = std::make_unique<Call>(*core_, callable(function), std::forward<A>(arguments)...);
    start(*call);
    return Future<typename Traits::Returned>(call.release());
  }

  // function(item) for every item of a random-access range, results in the order of the items. Waits for all.
  template <class F, std::ranges::random_access_range Items>
  auto map(F function, const Items& items);

  // The same, with what became of each item instead of a throw.
  template <class F, std::ranges::random_access_range Items>
  [[nodiscard]] auto map_outcomes(F function, const Items& items);

 private:
  void start(PoolWork& call);
  void run(PoolWork& work, std::size_t items);
  std::unique_ptr<PoolCore, void (*)(PoolCore*)> core_;
};

// ---- maps ----

// The items of one map. `Sink` says where results and errors go.
template <class F, class Items, class Sink>
class MapWork final : public PoolWork {
  using Traits = TraitsOf<F>;
  using R = typename Traits::Returned;
  static_assert(std::tuple_size_v<typename Traits::Sent> == 1, "map calls functions of one argument");
  using Argument = std::tuple_element_t<0, typename Traits::Sent>;
  static constexpr bool kSlice = std::ranges::contiguous_range<const Items> &&
                                 std::is_same_v<std::ranges::range_value_t<Items>, Argument> && kIsFlat<Argument>;

 public:
  MapWork(F function, const Items& items, Sink& sink)
      : PoolWork(runner::callable(function), runner::result_bytes<R>(), kCopiesResult<R>), items_(items), sink_(sink) {}

  void write(std::size_t first, std::uint32_t count, ByteWriter& out) const override {
    if constexpr (kSlice) {
      out.put(std::ranges::data(items_) + first, count * sizeof(Argument));
    } else {
      for (std::size_t i = first; i < first + count; ++i) {
        if constexpr (std::is_same_v<std::ranges::range_value_t<Items>, Argument>) {
          write_item<Argument>(out, std::ranges::begin(items_)[static_cast<std::ranges::range_difference_t<const Items>>(i)]);
        } else {
          write_item<Argument>(
              out, Argument(std::ranges::begin(items_)[static_cast<std::ranges::range_difference_t<const Items>>(i)]));
        }
      }
    }
  }
  void read(std::size_t first, std::uint32_t count, ByteReader& in, std::size_t& read) override {
    sink_.read(first, count, in, read);
  }
  void fail(std::size_t item, JobError error) override { sink_.fail(item, std::move(error)); }
  void end() override {}

 private:
  const Items& items_;
  Sink& sink_;
};

// Results as a vector; the error of the first item that has one.
template <class R>
class ResultsSink {
 public:
  explicit ResultsSink(std::size_t items) {
    if constexpr (!std::is_void_v<R>) results.resize(items);
  }
  void read(std::size_t first, std::uint32_t count, ByteReader& in, std::size_t& read) {
    if constexpr (std::is_void_v<R>) {
      return;
    } else if constexpr (kIsFlat<R>) {
      in.get(results.data() + first, count * sizeof(R));
    } else {
      for (; read < count; ++read) {
        R result{};
        read_item(in, result);
        results[first + read] = std::move(result);
      }
    }
  }
  void fail(std::size_t item, JobError error) {
    if (!first_error || item < first_error->item()) first_error.emplace(std::move(error));
  }

  std::vector<std::conditional_t<std::is_void_v<R>, char, R>> results;
  std::optional<JobError> first_error;
};

template <class R>
class OutcomesSink {
 public:
  using One = tl::expected<R, JobError>;
  explicit OutcomesSink(std::size_t items) {
    const JobError never(Cancelled{"it was never run"}, 0);
    outcomes.reserve(items);
    while (outcomes.size() < items) outcomes.emplace_back(tl::unexpect, never);
  }
  void read(std::size_t first, std::uint32_t count, ByteReader& in, std::size_t& read) {
    for (; read < count; ++read) {
      if constexpr (std::is_void_v<R>) {
        outcomes[first + read] = One();
      } else {
        R result{};
        read_item(in, result);
        outcomes[first + read] = std::move(result);
      }
    }
  }
  void fail(std::size_t item, JobError error) { outcomes[item] = tl::unexpected(std::move(error)); }

  std::vector<One> outcomes;
};

template <class F, std::ranges::random_access_range Items>
auto ProcessPool::map(F function, const Items& items) {
  using R = typename TraitsOf<F>::Returned;
  ResultsSink<R> sink(std::ranges::size(items));
  MapWork<F, Items, ResultsSink<R>> work(function, items, sink);
  run(work, std::ranges::size(items));
  if (sink.first_error) throw *std::move(sink.first_error);
  if constexpr (!std::is_void_v<R>) return std::move(sink.results);
}

template <class F, std::ranges::random_access_range Items>
auto ProcessPool::map_outcomes(F function, const Items& items) {
  using R = typename TraitsOf<F>::Returned;
  OutcomesSink<R> sink(std::ranges::size(items));
  MapWork<F, Items, OutcomesSink<R>> work(function, items, sink);
  run(work, std::ranges::size(items));
  return std::move(sink.outcomes);
}

}  // namespace runner
