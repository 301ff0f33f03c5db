#include "master/engines/process_crew.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "ipc/clock.hpp"
#include "ipc/layout.hpp"
#include "ipc/os.hpp"
#include "master/cgroups.hpp"
#include "master/engines/binding.hpp"
#include "master/engines/room_for_workers.hpp"
#include "master/niceness.hpp"

namespace runner::master {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kInboundArena = std::size_t{4} << 20;
// Deaths on one seat in a row that cost no job, before anybody did anything at all: workers that cannot live, rather than jobs that
// kill them. Counted by seat, because somebody from outside who ends all of them at once, a few times over, is no such reason.
constexpr std::uint32_t kMostDeathsBeforeWork = 10;
// Of one that was added to those that work: it can be done without.
constexpr std::uint32_t kMostDeathsOfAdded = 3;
// The same once there was work, over all seats and beside one of each: they lived, so it is worth more patience. They take a
// millisecond each.
constexpr std::uint32_t kMostIdleDeaths = 100;
constexpr std::uint32_t kLongestSpinNs = 10'000;
constexpr std::uint32_t kNoSeat = 0;

constexpr const char* kWhoKills =
    " (if nobody sent that, the kernel did, for want of memory: raise the cgroup's memory.max, or use fewer workers (--procs))";

Result<void> sane(std::uint32_t procs) {
  if (procs > 0 && procs <= kMostProcs) return {};
  return fail(ErrorCode::usage, "the number of worker processes must be from 1 to " + std::to_string(kMostProcs) +
                                    ", as many as one master has places for, found " + std::to_string(procs));
}

}  // namespace

ProcessCrew::~ProcessCrew() = default;

// ---- opening ----

Result<void> ProcessCrew::open() {
  if (Result<void> possible = sane(options_.procs); !possible) return possible;
  if (Result<void> enough = room(options_.procs, options_.procs); !enough) return enough;
  if (options_.start == StartMethod::fork) modules_ = ipc::Modules::take();
  Result<std::unique_ptr<Launcher>> launcher = options_.start == StartMethod::fork
                                                   ? make_fork_launcher(registry_, modules_, options_.guardian)
                                                   : make_spawn_launcher(options_.worker_program);
  if (!launcher) return tl::unexpected(launcher.error());
  launcher_ = std::move(*launcher);
  if (options_.transport == Transport::shm) {
    Result<ipc::Inbound> inbound = ipc::Inbound::create(kInboundArena);
    if (!inbound) return tl::unexpected(inbound.error());
    inbound_.emplace(std::move(*inbound));
  }
  epoll_.reset(os::call("epoll_create1", ::epoll_create1, EPOLL_CLOEXEC));
  if (!epoll_) return os::failure("watch workers", "epoll_create1");
  if (Result<void> on = watch_helper(); !on) return on;
  nudge_.reset(os::call("eventfd", ::eventfd, 0U, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!nudge_) return os::failure("watch workers", "eventfd");
  if (Result<void> on = watch(nudge_.get(), EPOLLIN, Watch::nudge, kNoSeat); !on) return on;
  placement_ = place({options_.bind, options_.processors, options_.widest}, options_.procs);

  settings_.transport = options_.transport;
  settings_.geometry = options_.geometry;
  settings_.max_result = options_.max_result;
  settings_.shared = options_.shared;
  settings_.guardian = options_.guardian;
  if (options_.start == StartMethod::spawn) settings_.plugins = registry_.plugins();
  // Under a quota looking spends what jobs could use.
  grants_ = SpinGrants(options_.cpus.quota ? 0 : options_.cpus.count, options_.procs);

  seats_.resize(options_.procs);
  for (std::uint32_t seat = 0; seat < options_.procs; ++seat) {
    if (Result<void> started = start(seat); !started) return started;
  }
  while (std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) { return !seat.worker->greeted(); })) {
    if (const Result<bool> slept = sleep(TimePoint::max(), -1); !slept) return tl::unexpected(slept.error());
  }
  return {};
}

Result<void> ProcessCrew::resize(std::uint32_t procs) {
  if (Result<void> possible = sane(procs); !possible) return possible;
  const std::uint32_t before = std::exchange(options_.procs, procs);
  if (procs > before) allow_descriptors(procs, options_.shared != nullptr ? options_.shared->segments() : 0);
  seats_.resize(std::max<std::size_t>(seats_.size(), procs));
  grants_.resize(procs);
  place_again();
  for (std::uint32_t seat = before; seat < procs; ++seat) {
    Seat& at = seats_[seat];
    if (at.worker && !at.leaving) continue;  // still there
    at.added = true;
    at.deaths_before_work = 0;
    if (at.worker) continue;  // about to go: then somebody follows
    Result<void> started = room(1, seat + 1);
    if (started) started = start(seat);
    if (!started) {
      options_.procs = seat;
      place_again();
      return started;
    }
  }
  return {};
}

void ProcessCrew::dismiss(std::uint32_t seat) {
  Seat& at = seats_[seat];
  if (!at.worker) return owner_.left(seat);
  at.leaving = true;
  set_busy(seat, false);
  if (at.worker->greeted()) {
    at.worker->close();
  } else {
    at.worker->kill();  // it has not come so far as to look
  }
}

void ProcessCrew::place_again() {
  placement_ = place({options_.bind, options_.processors, options_.widest}, options_.procs);
  for (std::uint32_t seat = 0; seat < options_.procs; ++seat) {
    if (ready(seat)) bind(seat);  // others are bound when they are ready
  }
}

// Threads and commands that a worker has already started stay where they are.
void ProcessCrew::bind(std::uint32_t seat) {
  Processors& bound = seats_[seat].bound;
  const Processors wanted = placement_.seats.empty() ? Processors{} : placement_.seats[seat];
  if (bound == wanted) return;
  if (bind_process(pid(seat), wanted.empty() ? allowed_processors() : wanted)) {
    bound = wanted;
  } else if (!wanted.empty()) {  // nobody, rather than some
    placement_ = {{}, "not bound to cores"};
    for (std::uint32_t other = 0; other < options_.procs; ++other) {
      if (ready(other)) bind(other);
    }
  }
}

Result<void> ProcessCrew::room(std::uint32_t more, std::uint32_t all) const {
  if (Result<void> enough = enough_descriptors(more); !enough) return enough;
  const bool shm = options_.transport == Transport::shm;
  const Bytes once{shm ? kInboundArena : 0};
  const Bytes each{shm ? ipc::channel_bytes(options_.geometry.depth) + options_.geometry.out_bytes : 0};
  return enough_memory(all, once, each, cgroup_memory_limit());
}

std::string ProcessCrew::description() const {
  std::string text = std::to_string(options_.procs) + (options_.procs == 1 ? " worker process (" : " worker processes (");
  text += options_.transport == Transport::shm ? "shm, " : "pipe, ";
  text += options_.start == StartMethod::spawn ? "spawn, " : "fork, ";
  return text + placement_.text + ")";
}

std::optional<std::string> ProcessCrew::drift(std::uint32_t seat) const {
  if (seat >= placement_.seats.size()) return std::nullopt;
  const std::optional<Processors> now_at = binding_of(pid(seat));
  if (!now_at || *now_at == placement_.seats[seat]) return std::nullopt;
  return "may run on " + text_of(*now_at) + ", though it was bound to " + text_of(placement_.seats[seat]);
}

Result<void> ProcessCrew::start(std::uint32_t seat) {
  Seat& at = seats_[seat];
  auto started = WorkerProcess::start(WorkerId{seat}, at.incarnations, *launcher_, inbound_ ? &*inbound_ : nullptr, settings_);
  if (!started) return tl::unexpected(started.error());
  at.worker = std::move(*started);
  ++at.incarnations;
  at.writing = -1;
  at.bound = {};
  Result<void> on = watch(at.worker->control(), EPOLLIN, Watch::control, seat);
  if (on) on = watch(at.worker->requester().doorbell(), EPOLLIN, Watch::doorbell, seat);
  if (on) on = watch(at.worker->pidfd(), EPOLLIN, Watch::pidfd, seat);
  if (on) return {};
  forget(at);
  at.worker.reset();
  return on;
}

// Closing is not enough: what a process on its way to exec, or a child of the job, has inherited stays open and watched. Where it
// stays watched all the same, its readiness is known by the incarnation, and not taken for the next one's.
void ProcessCrew::forget(Seat& at) {
  const WorkerProcess& worker = *at.worker;
  for (const int fd : {worker.requester().doorbell(), worker.pidfd(), worker.control(), at.writing}) {
    if (fd >= 0) unwatch(fd);
  }
}

Result<void> ProcessCrew::greeted(std::uint32_t seat) {
  Seat& at = seats_[seat];
  WorkerProcess& worker = *at.worker;
  const Result<bool> ready = worker.greet();
  if (!ready && !at.added && !at.leaving) return tl::unexpected(ready.error());
  // From now on this socket carries only files that are announced elsewhere; or it ended, and the pidfd tells of the death.
  unwatch(worker.control());
  if (at.leaving) return {};
  if (!ready) {
    give_up(seat, ready.error().text);
    return {};
  }
  if (!*ready) return {};
  at.added = false;
  bind(seat);
  if (options_.nice) {
    if (Result<void> polite = be_nice(worker.pid(), *options_.nice); !polite) return polite;
  }
  owner_.seated(seat);
  return {};
}

void ProcessCrew::departed(std::uint32_t seat, const WorkerProcess::Death& death) {
  usage_ += death.usage;
  peaks_.resize(seats_.size());
  peaks_[seat] = std::max(peaks_[seat], death.peak_memory.value_or(Bytes{}));
}

Bytes ProcessCrew::peak_memory() const {
  Bytes all{};
  for (const Bytes peak : peaks_) all.count += peak.count;
  return all;
}

Result<void> ProcessCrew::bury(std::uint32_t seat) {
  Seat& at = seats_[seat];
  WorkerProcess::Death death = at.worker->reap();
  departed(seat, death);
  if (options_.guardian != nullptr) death.left_behind = options_.guardian->end_strays(launcher_->helper());
  if (at.added && seat < options_.procs && !at.leaving && at.deaths_before_work + 1 >= kMostDeathsOfAdded) {
    give_up(seat, std::to_string(kMostDeathsOfAdded) + " in a row ended before they took requests; the last one " + death.how +
                      (death.signal == SIGKILL ? kWhoKills : ""));
  }
  if (at.leaving) {
    // That is no death.
  } else if (owner_.bury(seat, death)) {
    worked_ = true;
    idle_deaths_ = 0;
  } else {
    ++idle_deaths_;
    ++at.deaths_before_work;
  }
  if (worked_ ? idle_deaths_ >= kMostIdleDeaths + size() : at.deaths_before_work >= kMostDeathsBeforeWork) {
    return fail(ErrorCode::system, std::to_string(idle_deaths_) +
                                       " workers in a row ended without having run a job; the last one " + death.how +
                                       (death.signal == SIGKILL ? kWhoKills : ""));
  }
  forget(at);
  set_busy(seat, false);
  at.worker.reset();
  const bool wanted = seat < options_.procs;
  if (std::exchange(at.leaving, false) || !wanted) owner_.left(seat);
  if (!wanted) return {};
  Result<void> started = start(seat);
  if (started || !at.added) return started;
  give_up(seat, started.error().text);
  return {};
}

void ProcessCrew::give_up(std::uint32_t seat, const std::string& why) {
  options_.procs = seat;
  place_again();
  owner_.given_up(seat, why);
}

// ---- waking and sleeping ----

std::uint64_t ProcessCrew::Watched::packed() const {
  return std::uint64_t{incarnation} << 32 | seat << 8 | static_cast<std::uint32_t>(what);
}

ProcessCrew::Watched ProcessCrew::Watched::unpacked(std::uint64_t bits) {
  const auto low = static_cast<std::uint32_t>(bits);
  return {static_cast<Watch>(low & 0xff), low >> 8, static_cast<std::uint32_t>(bits >> 32)};
}

// 0: nobody's on that seat, or of what is not a worker's.
std::uint32_t ProcessCrew::incarnation(Watch what, std::uint32_t seat) const {
  if (what == Watch::wake || what == Watch::nudge || what == Watch::helper || !seats_[seat].worker) return 0;
  return static_cast<std::uint32_t>(seats_[seat].incarnations);
}

Result<void> ProcessCrew::watch(int fd, std::uint32_t events, Watch what, std::uint32_t seat) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = Watched{what, seat, incarnation(what, seat)}.packed();
  if (os::call("epoll_ctl", ::epoll_ctl, epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return os::failure("watch a worker", "epoll_ctl");
  }
  return {};
}

Result<void> ProcessCrew::watch_helper() {
  const int fd = launcher_->helper_fd();
  return fd >= 0 ? watch(fd, EPOLLIN, Watch::helper, kNoSeat) : Result<void>{};
}

// Where that cannot be, no worker is lost yet: who needs a new one asks again, and is told why not.
void ProcessCrew::replace_helper() {
  unwatch(launcher_->helper_fd());
  const Result<void> replaced = launcher_->replace_helper();
  // One that it had just cloned, and could not tell of.
  if (options_.guardian != nullptr) static_cast<void>(options_.guardian->end_strays(launcher_->helper()));
  if (replaced) static_cast<void>(watch_helper());
}

void ProcessCrew::unwatch(int fd) {
  static_cast<void>(os::call("epoll_ctl", ::epoll_ctl, epoll_.get(), EPOLL_CTL_DEL, fd, nullptr));
}

void ProcessCrew::kick(std::uint32_t seat) {
  // A connection that does not take it is a worker that is dying: its pidfd tells.
  static_cast<void>(seats_[seat].worker->requester().kick());
}

void ProcessCrew::wake() {
  const std::uint64_t one = 1;
  // It fails only where it is set already.
  static_cast<void>(os::retry("write", ::write, nudge_.get(), static_cast<const void*>(&one), sizeof one));
}

// Pipes that did not take all they were given.
void ProcessCrew::watch_blocked() {
  for (std::uint32_t i = 0; i < seats_.size(); ++i) {
    Seat& at = seats_[i];
    if (!at.worker || at.writing >= 0) continue;
    const int blocked = at.worker->requester().blocked_fd();
    if (blocked >= 0 && watch(blocked, EPOLLOUT, Watch::writable, i)) at.writing = blocked;
  }
}

void ProcessCrew::set_busy(std::uint32_t seat, bool busy) {
  const std::span<const std::uint32_t> changed = grants_.set_busy(seat, busy);
  if (!inbound_) return;
  for (const std::uint32_t one : changed) {
    inbound_->state().may_spin_ns[one].store(grants_.granted(one) ? kLongestSpinNs : 0, std::memory_order_relaxed);
  }
}

Result<bool> ProcessCrew::sleep(TimePoint until, int wake_fd, std::unique_lock<std::mutex>* lock) {
  if (inbound_) {
    inbound_->sleep_begins();
  } else {
    watch_blocked();
  }
  const bool asleep = !owner_.anything_done();
  if (wake_fd >= 0) static_cast<void>(watch(wake_fd, EPOLLIN, Watch::wake, kNoSeat));
  const Duration left = !asleep ? Duration::zero() : until == TimePoint::max() ? Duration::max() : until - now();
  const std::int64_t ns = std::max<std::int64_t>(0, left.count());
  const timespec limit{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  std::array<epoll_event, 64> ready{};
  if (lock != nullptr) lock->unlock();
  const int count = os::call("epoll_pwait2", ::epoll_pwait2, epoll_.get(), ready.data(), static_cast<int>(ready.size()),
                             left == Duration::max() ? nullptr : &limit, nullptr);
  const int error = errno;
  if (lock != nullptr) lock->lock();
  if (inbound_) inbound_->sleep_ends();
  if (wake_fd >= 0) unwatch(wake_fd);
  if (count < 0 && error != EINTR) return os::failure("wait for workers", "epoll_pwait2", error);
  overslept_ = count == 0 && asleep;

  bool more = count < 0;  // a signal
  for (int i = 0; i < count; ++i) {
    const Watched watched = Watched::unpacked(ready[static_cast<std::size_t>(i)].data.u64);
    if (watched.incarnation != incarnation(watched.what, watched.seat)) continue;  // of one that is gone, see forget()
    Result<bool> told = attend(watched.what, watched.seat);
    if (!told) return told;
    more = more || *told;
    if (watched.what == Watch::pidfd) return true;  // other readiness in this batch may speak of descriptors that are gone
  }
  return more;
}

Result<bool> ProcessCrew::attend(Watch what, std::uint32_t seat) {
  Seat& at = seats_[seat];
  switch (what) {
    case Watch::wake: return true;
    case Watch::helper: replace_helper(); return true;
    case Watch::nudge: {
      std::uint64_t nudges = 0;
      static_cast<void>(os::retry("read", ::read, nudge_.get(), static_cast<void*>(&nudges), sizeof nudges));
      return true;
    }
    case Watch::doorbell: at.worker->requester().hush(); return false;
    case Watch::control: {
      if (Result<void> greeting = greeted(seat); !greeting) return tl::unexpected(greeting.error());
      return true;
    }
    case Watch::pidfd: {
      if (Result<void> next = bury(seat); !next) return tl::unexpected(next.error());
      return true;
    }
    case Watch::writable: {
      static_cast<void>(at.worker->requester().kick());
      if (at.worker->requester().blocked_fd() < 0) unwatch(std::exchange(at.writing, -1));
      return false;
    }
  }
  return false;
}

// ---- the end ----

void ProcessCrew::close(const std::vector<Leave>& how) {
  std::vector<pollfd> alive;
  std::vector<std::uint32_t> leaving;
  for (std::uint32_t i = 0; i < seats_.size(); ++i) {
    WorkerProcess* worker = seats_[i].worker.get();
    if (worker == nullptr) continue;
    switch (how[i]) {
      case Leave::by_itself: worker->close(); break;
      case Leave::killed: worker->kill(); break;
      case Leave::hung_up: worker->hang_up(); break;
    }
    alive.push_back({worker->pidfd(), POLLIN, 0});
    leaving.push_back(i);
  }
  // An idle worker leaves within microseconds; one that does not in a second is ended by its destructor.
  const TimePoint patience = now() + std::chrono::seconds(1);
  for (pollfd& one : alive) {
    // Not retried blindly: an impatient person's signals must not renew our patience.
    for (std::int64_t left = 1; left > 0 && one.revents == 0;) {
      left = std::max<std::int64_t>(0, std::chrono::duration_cast<milliseconds>(patience - now()).count());
      static_cast<void>(os::call("poll", ::poll, &one, nfds_t{1}, static_cast<int>(left)));
    }
  }
  for (std::size_t i = 0; i < alive.size(); ++i) {
    if (alive[i].revents != 0) departed(leaving[i], seats_[leaving[i]].worker->reap());
  }
  seats_.clear();
  if (options_.guardian != nullptr && launcher_) static_cast<void>(options_.guardian->end_strays(launcher_->helper()));
  launcher_.reset();
}

}  // namespace runner::master
