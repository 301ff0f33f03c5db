// message_queue_hang: shows why no channel of ours has a mutex or a condition variable in shared memory. A Boost
// message_queue hangs its sender once a receiver that slept in receive() was killed, although a second receiver waits there.
//
// The process-shared condition variable of glibc (since 2.25) counts its waiters in groups; to close a group the sender waits until
// each waiter of it has left, and a dead one never does. It waits with the queue's mutex locked, so nobody else comes in either.
//
//   bench_message_queue_hang                what happened in each of three tries
//
// Fails with   exit status 2 when it could not run. 0 otherwise, whatever it saw: it is a demonstration, not a verdict.
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <new>
#include <runner/unique_fd.hpp>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace {

using boost::interprocess::message_queue;
using Clock = std::chrono::steady_clock;

constexpr int kTries = 3;
constexpr std::uint64_t kMessages = 1000;
constexpr std::size_t kDepth = 64;
constexpr std::chrono::seconds kPatience{3};    // without anything that moves: then it hangs
constexpr std::chrono::milliseconds kLook{50};  // between two looks at what has moved

[[noreturn]] void fail(const char* call) { throw std::system_error(errno, std::generic_category(), call); }

// A forked process that dies with us, and is killed by its pid at the end at the latest.
class Child {
 public:
  explicit Child(const std::function<void()>& live) {
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() == parent) live();
      ::_exit(0);
    }
    gone_ = runner::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!gone_) {
      end();
      fail("pidfd_open");
    }
  }
  ~Child() { end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void end() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  [[nodiscard]] bool gone_within(std::chrono::milliseconds time) const {
    pollfd look{gone_.get(), POLLIN, 0};
    const int ready = ::poll(&look, 1, static_cast<int>(time.count()));
    if (ready < 0 && errno != EINTR) fail("poll");
    return ready > 0;
  }
  // Sleeps, and did so at several looks in a row: it has arrived where it waits.
  void wait_until_asleep() const {
    const auto until = Clock::now() + kPatience;
    for (int looks = 0; looks < 20;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      looks = state() == 'S' ? looks + 1 : 0;
      if (Clock::now() > until) throw std::runtime_error("a receiver does not go to sleep");
    }
  }

 private:
  [[nodiscard]] char state() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t name_ends = line.rfind(')');
    return name_ends + 2 < line.size() ? line[name_ends + 2] : '?';
  }

  pid_t pid_ = -1;
  runner::UniqueFd gone_;
};

// What has moved, in memory that all of them see.
struct Counts {
  std::atomic<std::uint64_t> sent{0}, received{0};
};

class SharedCounts {
 public:
  SharedCounts() : page_(::mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (page_ == MAP_FAILED) fail("mmap");
    counts_ = new (page_) Counts;
  }
  ~SharedCounts() { ::munmap(page_, sizeof(Counts)); }
  SharedCounts(const SharedCounts&) = delete;
  SharedCounts& operator=(const SharedCounts&) = delete;
  Counts* operator->() const { return counts_; }

 private:
  void* page_;
  Counts* counts_;
};

void attempt(int number) {
  const std::string name = "runner-bench-hang." + std::to_string(::getpid());
  message_queue queue(boost::interprocess::create_only, name.c_str(), kDepth, sizeof(std::uint64_t));
  message_queue::remove(name.c_str());  // the children inherit the mapping: no name can be left behind
  const SharedCounts counts;
  const auto receive = [&] {
    for (std::uint64_t n = 0; n < kMessages; ++n) {
      std::uint64_t message = 0;
      message_queue::size_type bytes = 0;
      unsigned priority = 0;
      queue.receive(&message, sizeof message, bytes, priority);
      counts->received.fetch_add(1, std::memory_order_relaxed);
    }
  };
  const auto send = [&] {
    for (std::uint64_t n = 0; n < kMessages; ++n) {
      queue.send(&n, sizeof n, 0);
      counts->sent.fetch_add(1, std::memory_order_relaxed);
    }
  };

  Child first(receive);
  first.wait_until_asleep();
  first.end();
  const Child second(receive);
  second.wait_until_asleep();
  const Child sender(send);

  // The second receiver leaves last: it has received what the sender sent.
  std::uint64_t moved = 0;
  for (auto last = Clock::now(); Clock::now() < last + kPatience && !second.gone_within(kLook);) {
    const std::uint64_t now = counts->sent.load(std::memory_order_relaxed) + counts->received.load(std::memory_order_relaxed);
    if (std::exchange(moved, now) != now) last = Clock::now();
  }
  const auto sent = static_cast<unsigned long long>(counts->sent.load(std::memory_order_relaxed));
  const auto received = static_cast<unsigned long long>(counts->received.load(std::memory_order_relaxed));
  const auto all = static_cast<unsigned long long>(kMessages);
  if (received == all) {
    std::printf("try %d: went through: %llu of %llu messages\n", number, received, all);
  } else {
    std::printf("try %d: hung: nothing moved for %lld s (sent %llu, received %llu of %llu)\n", number,
                static_cast<long long>(kPatience.count()), sent, received, all);
  }
  std::fflush(stdout);
}

}  // namespace

int main() try {
  std::printf(
      "Boost message_queue: a receiver is killed while it waits, a second one waits in its place, then messages are sent.\n");
  std::fflush(stdout);
  for (int number = 1; number <= kTries; ++number) attempt(number);
  return 0;
} catch (const std::exception& trouble) {
  std::fprintf(stderr, "bench_message_queue_hang: %s\n", trouble.what());
  return 2;
}
