// Hundreds of thousands of calls while workers are killed, stopped and continued at random moments: each item ends once, with its own
// result, its own crash, or the kill that hit it; nothing hangs; nothing is left.
//
// Twenty seconds in a test; ten minutes with RUNNER_SOAK=1. A line at the end says what happened.
#include <signal.h>
#include <unistd.h>

#include <cereal/types/string.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/killer.hpp"
#include "tests/pool/pools.hpp"

namespace runner {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kMostItems = 1U << 15;  // of one step
constexpr std::uint64_t kEnough = 200'000;
constexpr seconds kHang{20};
constexpr seconds kLongestGap{2};  // in a soak
// A step of the clock that is longer says that the watch had no processor, and nothing of what it watches.
constexpr milliseconds kLook{50};

struct Page {
  KillerPage killer;
  std::atomic<std::uint64_t> progress{0};            // items entered, in all
  std::atomic<std::uint32_t> entered[kMostItems]{};  // how often, in this step
};
Page* page = nullptr;  // set before the pool is made, so that workers see it

// ---- what runs in the workers ----

void enter(std::uint32_t item) {
  ++page->entered[item];
  page->progress.fetch_add(1, std::memory_order_relaxed);
}
std::uint64_t mixed(std::uint64_t x) { return (x ^ x >> 13) * 0x9e3779b97f4a7c15; }
std::string text_for(std::uint32_t item) { return std::string(item * 37 % 6'000, static_cast<char>('a' + item % 26)); }

std::uint64_t tiny(std::uint32_t item) {
  enter(item);
  return mixed(item);
}
bool crashes(std::uint32_t item) { return item % 499 == 7; }
bool throws(std::uint32_t item) { return item % 499 == 8; }
std::uint64_t fragile(std::uint32_t item) {
  enter(item);
  if (crashes(item)) {
    ::signal(SIGSEGV, SIG_DFL);
    ::raise(SIGSEGV);
  }
  if (throws(item)) throw std::runtime_error("item " + std::to_string(item));
  return mixed(item);
}
std::string text(std::uint32_t item) {
  enter(item);
  return text_for(item);
}
std::uint32_t nap(std::uint32_t item) {
  enter(item);
  ::usleep(item % 500);
  return item;
}
Blob large(std::uint32_t item) {  // in memory of its own
  enter(item);
  return std::string(1'500'000 + item, static_cast<char>('a' + item % 26));
}
std::size_t measure(std::uint32_t item, const Blob& blob) {
  enter(item);
  return blob.size();
}

// ---- the test ----

// Looks at the pool from a thread of its own: tells the killer who its workers are, and aborts a test that hangs.
class Watch {
 public:
  explicit Watch(ProcessPool& pool) : thread_([this, &pool] { run(pool); }) {}
  ~Watch() { end(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  Clock::duration end() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
    return longest_;
  }

 private:
  void run(ProcessPool& pool) {
    std::uint64_t seen = page->progress;
    Clock::time_point last = Clock::now();
    Clock::duration gap{};  // since an item was entered, as long as this thread was there to see it
    while (!over_) {
      std::this_thread::sleep_for(milliseconds(1));
      try {
        const std::vector<PoolWorker> workers = pool.workers();
        for (std::size_t i = 0; i < kMostVictims; ++i) page->killer.victims[i] = workers[i % workers.size()].pid;
      } catch (const PoolError&) {  // whoever uses the pool is told too
        return;
      }
      const Clock::time_point now = Clock::now();
      gap += std::min<Clock::duration>(now - last, kLook);
      last = now;
      if (const std::uint64_t now_seen = page->progress; now_seen != seen) {
        seen = now_seen;
        gap = {};
      }
      longest_ = std::max(longest_, gap);
      if (gap < kHang) continue;
      std::fprintf(stderr, "kill storm: no item was entered for %lld s\n", static_cast<long long>(kHang.count()));
      std::abort();
    }
  }

  std::atomic<bool> over_{false};
  Clock::duration longest_{};
  std::thread thread_;
};

std::int64_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6));
  }
  return 0;
}
std::set<std::string> shared_memory() {
  std::set<std::string> names;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm", none)) {
    const std::string name = entry.path().filename();
    if (name.find("runner") != std::string::npos) names.insert(name);
  }
  return names;
}

class KillStorm : public testing::TestWithParam<PoolTransport> {
 protected:
  KillStorm() { page = &*page_; }
  ~KillStorm() override { page = nullptr; }

  void clear() {
    for (std::atomic<std::uint32_t>& count : page->entered) count.store(0, std::memory_order_relaxed);
  }
  // What became of an item is what may become of it.
  template <class T, class Good>
  void settle(std::uint32_t item, const tl::expected<T, JobError>& outcome, const Good& good) {
    ++items_;
    const std::uint32_t entered = page->entered[item];
    if (outcome) {
      ASSERT_TRUE(good(*outcome)) << "item " << item << " has the result of another";
      ASSERT_EQ(entered, 1U) << "item " << item;
    } else if (crash_of(outcome) == SIGKILL) {
      ++killed_;
      ASSERT_LE(entered, 1U) << "item " << item;
    } else {
      ++own_;
      const bool own_crash = crash_of(outcome) == SIGSEGV && may_fail_ && crashes(item);
      const bool own_failure =
          ended_as<Failed>(outcome) && may_fail_ && throws(item) && outcome.error().what() == "item " + std::to_string(item);
      ASSERT_TRUE(own_crash || own_failure)
          << "item " << item << " is charged for what it did not do: " << outcome.error().what();
      ASSERT_EQ(entered, 1U) << "item " << item;
    }
  }
  template <class F, class Good>
  void map(ProcessPool& pool, F function, std::uint32_t items, const Good& good) {
    clear();
    const auto outcomes = pool.map_outcomes(function, std::views::iota(0U, items));
    ASSERT_EQ(outcomes.size(), items);
    for (std::uint32_t i = 0; i < items && !HasFatalFailure(); ++i) {
      settle(i, outcomes[i], [&](const auto& result) { return good(i, result); });
    }
  }
  void calls(ProcessPool& pool) {
    clear();
    std::vector<Future<std::uint32_t>> naps;
    std::vector<Future<Blob>> blobs;
    std::vector<Future<std::size_t>> sizes;
    std::uint32_t next = 0;
    const Blob sent = std::string(1'200'000, 's');
    for (int i = 0; i < 400; ++i) naps.push_back(pool.submit(nap, next++));
    for (int i = 0; i < 6; ++i) blobs.push_back(pool.submit(large, next++));
    for (int i = 0; i < 6; ++i) sizes.push_back(pool.submit(measure, next++, sent));
    next = 0;
    for (auto& one : naps) settle(next, one.outcome(), [&](std::uint32_t result) { return result == next; }), ++next;
    for (auto& one : blobs) {
      settle(next, one.outcome(), [&](const Blob& blob) {
        return blob.text() == std::string(1'500'000 + next, static_cast<char>('a' + next % 26));
      });
      ++next;
    }
    for (auto& one : sizes) settle(next, one.outcome(), [&](std::size_t size) { return size == sent.size(); }), ++next;
  }
  void round(ProcessPool& pool) {
    map(pool, tiny, 20'000, [](std::uint32_t i, std::uint64_t result) { return result == mixed(i); });
    may_fail_ = true;
    map(pool, fragile, 2'000, [](std::uint32_t i, std::uint64_t result) { return result == mixed(i); });
    may_fail_ = false;
    map(pool, text, 400, [](std::uint32_t i, const std::string& result) { return result == text_for(i); });
    calls(pool);
  }

  const Silence silence_;
  const SeenByAll<Page> page_;
  bool may_fail_ = false;
  std::uint64_t items_ = 0, killed_ = 0, own_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Over, KillStorm, testing::Values(PoolTransport::shm, PoolTransport::pipe),
                         [](const auto& over) { return std::string(over.param == PoolTransport::shm ? "shm" : "pipe"); });

TEST_P(KillStorm, EachItemEndsOnceAndNoneIsChargedForAnother) {
  const bool soak = std::getenv("RUNNER_SOAK") != nullptr;
  const std::set<std::string> names = shared_memory();
  const Clock::time_point began = Clock::now(), until = began + (soak ? seconds(600) : seconds(20));
  std::int64_t resident = 0, grown = 0;
  Clock::duration gap{};
  {
    const Killer killer(page->killer);
    ProcessPool pool({.procs = 4, .transport = GetParam()});
    round(pool);  // in peace, so that what memory grows to is known
    resident = resident_kib();
    ASSERT_EQ(killed_, 0U);
    Watch watch(pool);
    page->killer.armed = true;
    while (!HasFatalFailure() && (items_ < kEnough || Clock::now() < until)) round(pool);
    page->killer.armed = false;
    gap = watch.end();
    grown = resident_kib() - resident;
  }
  const std::uint64_t kills = page->killer.kills, stops = page->killer.stops;
  EXPECT_LE(killed_, kills) << "one kill hits one item";
  EXPECT_GT(kills, 0U);
  EXPECT_GT(stops, 0U);
  EXPECT_EQ(shared_memory(), names);
  EXPECT_LT(gap, soak ? kLongestGap : kHang) << "no item was entered for so long";
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::int64_t most_kib = 512 * 1024;  // what was freed stays in quarantine
#else
  constexpr std::int64_t most_kib = 48 * 1024;
#endif
  EXPECT_LT(grown, most_kib);
  std::printf(
      "kill storm over %s: %llu items in %.1f s; %llu kills, %llu stops; %llu items died of a kill, %llu of themselves; "
      "longest gap %lld ms; memory %+.1f MiB\n",
      GetParam() == PoolTransport::shm ? "shm" : "pipe", static_cast<unsigned long long>(items_),
      std::chrono::duration<double>(Clock::now() - began).count(), static_cast<unsigned long long>(kills),
      static_cast<unsigned long long>(stops), static_cast<unsigned long long>(killed_), static_cast<unsigned long long>(own_),
      static_cast<long long>(duration_cast<milliseconds>(gap).count()), static_cast<double>(grown) / 1024);
}

}  // namespace
}  // namespace runner
