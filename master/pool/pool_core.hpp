// pool_core.hpp - the workings of the process pool (runner/process_pool.hpp has what others need).
//
// A piece is some items of one work: a call, or a chunk of a map. Each worker has a hand of pieces, in the order in which it goes
// through them; a piece comes back done, done in part (the rest is handed out again), or its worker dies in it. Whoever waits does
// the work of the pool: collect, hand out, let idle workers have what lies unbegun elsewhere, and with nothing to do say so, look
// once more, sleep. One thread at a time does it; others that wait sleep until it has made progress.
//
// Called from  any thread; one lock.
// Owns         the crew; works are their callers' until they ended.
// Fails with   PoolError.
#pragma once

#include <atomic>
#include <boost/circular_buffer.hpp>
#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <runner/process_pool.hpp>
#include <runner/registry.hpp>
#include <string>
#include <vector>

#include "ipc/call_message.hpp"
#include "ipc/requester.hpp"
#include "ipc/shared_state.hpp"
#include "ipc/spin_budget.hpp"
#include "master/engines/process_crew.hpp"
#include "master/pool/typical_time.hpp"

namespace runner {

class PoolCore final : private master::CrewOwner {
 public:
  explicit PoolCore(const PoolOptions& options);
  ~PoolCore() override;

  void submit(PoolWork& work);
  void run(PoolWork& work, std::size_t items);
  void wait(const std::atomic<CallStage>& stage);

  [[nodiscard]] std::uint32_t procs() const { return options_.procs; }
  [[nodiscard]] std::vector<PoolWorker> workers();
  [[nodiscard]] const Shared& shared() const { return shared_.view(); }

 private:
  static constexpr Duration kUnknownCall = std::chrono::microseconds(1);

  // What the thread that waits waits for: a call, or the end of everything that is out.
  enum class Awaited : std::uint8_t { one, all };

  // A map under way.
  struct Run {
    PoolWork* work;
    std::size_t total;
    std::size_t next = 0;   // the first item that was not cut into a piece yet
    std::size_t ended = 0;  // items
  };
  // What is known of a function.
  struct Target {
    ipc::CallHeader header;
    master::TypicalTime time;            // of one item
    Duration call = kUnknownCall;        // expected of a call that has a request to itself
    std::optional<double> result_bytes;  // of one item, where that is not fixed
    std::uint32_t untimed = 0;           // requests since the last that was timed
  };
  // A linker may fold functions of different types into one, so their address alone does not tell them apart.
  struct HashOfCallable {
    std::size_t operator()(const Callable& callable) const {
      std::size_t seed = 0;
      boost::hash_combine(seed, reinterpret_cast<std::uintptr_t>(callable.code));
      boost::hash_combine(seed, reinterpret_cast<std::uintptr_t>(callable.run));
      return seed;
    }
  };
  struct Piece {
    PoolWork* work = nullptr;
    Run* run = nullptr;  // null: a single call
    Target* target = nullptr;
    std::size_t first = 0;
    ipc::Ticket ticket{};
    Duration expected{};
    std::uint64_t room = 0;
    std::uint32_t count = 1;
    bool timed = false;
  };
  struct Seat {
    explicit Seat(std::uint64_t deaths = 0) : replaced(deaths) {}
    ipc::Requester* requester = nullptr;  // from when it took requests
    boost::circular_buffer<Piece> hand;   // outstanding, in the order of tickets
    Duration queued{};                    // expected length of those
    std::uint64_t room = 0;               // for results, of those
    bool unkicked = false;
    std::string broke_rules;
    std::uint64_t replaced;
    std::uint64_t idle_since = 0;  // idle_turns_
  };

  bool bury(std::uint32_t seat, const master::WorkerProcess::Death& death) override;
  [[nodiscard]] bool anything_done() const override;
  void seated(std::uint32_t seat) override;

  template <class Done>
  void work_until(std::unique_lock<std::mutex>& lock, Awaited awaited, const Done& done);
  // True: something was collected or handed out.
  bool poll();
  void idle(std::unique_lock<std::mutex>& lock, Awaited awaited);
  [[nodiscard]] bool spin();
  void arm(Awaited awaited);
  void check_well() const;
  void forget(const Run& run);

  [[nodiscard]] std::uint32_t number_of(const Seat& seat) const { return static_cast<std::uint32_t>(&seat - seats_.data()); }
  [[nodiscard]] Target& target_of(const PoolWork& work);
  void hand_out();
  // `here_costs`: what it costs more to use a worker on this thread's own processor.
  [[nodiscard]] Seat* seat_for(const Target& target, bool chunk, Duration here_costs);
  [[nodiscard]] Seat* seat_for_call(const Target& target);
  [[nodiscard]] static bool takes_more(const Seat& seat);
  [[nodiscard]] static Duration time_until_free(const Seat& seat);
  [[nodiscard]] Piece cut(Run& run);
  void give(Seat& seat, const Piece& what);
  void give_singly(const Piece& piece, const char* why);
  void rebalance();
  void take_back(Seat& seat, ipc::Ticket ticket, std::vector<Piece>& into);
  static void drop(Seat& seat, boost::circular_buffer<Piece>::iterator piece);
  void kick_all();

  bool collect(Seat& seat);
  void deliver(Seat& seat, ipc::Reply& reply);
  void read_items(const Piece& piece, std::size_t first, std::uint32_t count, const ipc::ReplyBytes& bytes);
  void learn(const Piece& piece, const ipc::Reply& reply);
  void fail_items(const Piece& piece, std::size_t first, std::size_t count, const Ending& ending);
  void ended(const Piece& piece, std::size_t items);
  void broken(Seat& seat, const std::string& how);

  PoolOptions options_;
  Registry registry_;
  ipc::SharedState shared_;
  std::vector<Seat> seats_;
  master::ProcessCrew crew_;

  std::mutex mutex_;  // guards all that follows and precedes, but for the options
  std::condition_variable changed_;
  bool polling_ = false;
  std::optional<Error> trouble_;  // why nothing works any more

  std::deque<Piece> pending_;
  std::vector<Run*> runs_;
  boost::unordered_flat_map<Callable, std::unique_ptr<Target>, HashOfCallable> targets_;
  Callable last_callable_;
  Target* last_target_ = nullptr;
  Seat* last_seat_ = nullptr;     // that single calls go to, until it has got work for kStay
  Duration stay_until_{};         // of its queue
  std::uint64_t idle_turns_ = 0;  // how often a worker had nothing left
  ipc::SpinBudget spin_budget_;
  std::string scratch_;
  bool progressed_ = false;  // a reply came since the last death
  bool lazy_ = false;        // somebody was told to ring late, or holds what somebody idle could do
  bool patient_ = true;      // ... and may be
};

}  // namespace runner
