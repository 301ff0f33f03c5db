#include "master/pool/pool_core.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "ipc/relax.hpp"
#include "master/pool/checked_options.hpp"
#include "master/pool/chunking.hpp"
#include "master/pool/piece_items.hpp"

namespace runner {

namespace {

using std::chrono::steady_clock;

constexpr std::uint32_t kCollectEvery = 64;
constexpr std::uint32_t kTimedEvery = 16;
// Of the memory for results: in one request.
constexpr std::uint64_t kChunkShare = 16;
constexpr std::int64_t kLongestSpinNs = 20'000;
// Somebody who was told to ring late is asked again after this.
constexpr Duration kPatience = std::chrono::milliseconds(1);

// The arguments of a piece's items, with the names of its function in front.
class CallContent final : public WireContent {
 public:
  CallContent(const ipc::CallHeader& header, const PoolWork& work, std::size_t first, std::uint32_t count)
      : header_(header), work_(work), first_(first), count_(count) {}
  void write(ByteWriter& out) const override {
    ipc::write_call_header(out, header_);
    work_.write(first_, count_, out);
  }

 private:
  const ipc::CallHeader& header_;
  const PoolWork& work_;
  std::size_t first_;
  std::uint32_t count_;
};

}  // namespace

PoolCore::PoolCore(const PoolOptions& options)
    : options_(checked(options)),
      shared_(made(options_.shared)),
      seats_(std::min(options_.procs, master::kMostProcs)),  // with more, open() refuses
      crew_(process_options(options_, shared_), registry_, *this),
      choice_(seats_, options_.results, [this](std::uint32_t seat) { return crew_.core_of(seat); }) {
  if (Result<void> opened = crew_.open(); !opened) throw PoolError("cannot make a process pool: " + opened.error().text);
}

PoolCore::~PoolCore() {
  for (Seat& seat : seats_) collect(seat);  // what is done is done
  std::vector<master::ProcessCrew::Leave> how;
  for (const Seat& seat : seats_) {
    how.push_back(seat.hand.empty() ? master::ProcessCrew::Leave::by_itself : master::ProcessCrew::Leave::killed);
  }
  crew_.close(how);
  const Ending gone = Cancelled{"its pool was destroyed"};
  for (Seat& seat : seats_) {
    for (const Piece& piece : seat.hand) fail_items(piece, piece.first, piece.count, gone);
  }
  for (const Piece& piece : pending_) fail_items(piece, piece.first, piece.count, gone);
}

std::vector<PoolWorker> PoolCore::workers() {
  check_ours();
  const std::lock_guard lock(mutex_);
  std::vector<PoolWorker> workers;
  check_well();
  for (std::uint32_t i = 0; i < crew_.size(); ++i) workers.push_back({crew_.worker(i).pid(), seats_[i].replaced});
  return workers;
}

// Before the lock, which another thread of whoever forked us may have held.
void PoolCore::check_ours() const {
  if (!is_ours()) throw PoolError("this process pool belongs to the process that this one was forked from: make another here");
}

void PoolCore::check_well() const {
  if (trouble_) throw PoolError(trouble_->text);
}

// ---- what callers ask for ----

void PoolCore::submit(PoolWork& work) {
  check_ours();
  const std::lock_guard lock(mutex_);
  check_well();
  Target& target = target_of(work);
  Piece piece;
  piece.work = &work;
  piece.target = &target;
  if (!pending_.empty()) poll();
  Seat* seat = pending_.empty() ? choice_.for_call(target) : nullptr;
  // So that what we think it has is near to what it has.
  if (seat != nullptr && seat->hand.size() % kCollectEvery == kCollectEvery - 1) collect(*seat);
  if (seat == nullptr) {
    pending_.push_back(piece);
  } else {
    give(*seat, piece);
    if (std::exchange(seat->unkicked, false)) static_cast<void>(seat->requester->kick());
  }
  // Who sleeps does not know that something lies behind what may be a long call.
  if (sleeps_long_ && (seat == nullptr || seat->hand.size() > 1)) wake_sleeper();
}

void PoolCore::run(PoolWork& work, std::size_t items) {
  if (items == 0) return;
  check_ours();
  std::unique_lock lock(mutex_);
  check_well();
  static_cast<void>(target_of(work));  // refuses what cannot be called
  Run run{&work, items};
  runs_.push_back(&run);
  armed_ = false;
  try {
    work_until(lock, Awaited::all, [&] { return run.ended == run.total; });
  } catch (...) {
    forget(run);
    throw;
  }
}

// The items of a map that nobody waits for any more. A worker that answers for one all the same is taken for a liar, and replaced.
void PoolCore::forget(const Run& run) {
  const auto of_run = [&](const Piece& piece) { return piece.run == &run; };
  std::erase(runs_, &run);
  std::erase_if(pending_, of_run);
  for (Seat& seat : seats_) {
    for (auto piece = std::find_if(seat.hand.begin(), seat.hand.end(), of_run); piece != seat.hand.end();
         piece = std::find_if(seat.hand.begin(), seat.hand.end(), of_run)) {
      seat.drop(piece);
    }
  }
}

void PoolCore::wait(const std::atomic<CallStage>& stage) {
  check_ours();
  std::unique_lock lock(mutex_);
  work_until(lock, Awaited::one, [&] { return stage.load(std::memory_order_acquire) == CallStage::ended; });
}

template <class Done>
void PoolCore::work_until(std::unique_lock<std::mutex>& lock, Awaited awaited, const Done& done) {
  while (!done()) {
    check_well();
    if (poll()) {
      patient_ = true;
      changed_.notify_all();
    } else if (!polling_) {
      idle(lock, awaited);
    } else if (armed_ || wait_beside_sleeper()) {
      changed_.wait(lock);
    }
  }
}

// Somebody else sleeps for the pool, and has to wake up for what we wait for as well. False: there is something to do already.
bool PoolCore::wait_beside_sleeper() {
  arm(Awaited::one);
  // As Inbound::sleep_begins() has it: between saying when to ring and the look at what is done.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (anything_done()) return false;
  if (lazy_ && sleeps_long_) wake_sleeper();
  return true;
}

void PoolCore::wake_sleeper() {
  sleeps_long_ = false;
  crew_.wake();
}

bool PoolCore::poll() {
  bool any = false;
  for (Seat& seat : seats_) any = collect(seat) || any;
  const std::size_t waiting = pending_.size() + runs_.size();
  if (waiting != 0) hand_out();
  rebalance();
  kick_all();
  return any;
}

// ---- handing out ----

PoolTarget& PoolCore::target_of(const PoolWork& work) { return functions_.of(work.callable(), crew_.modules()); }

PoolPiece PoolCore::cut(Run& run) {
  Piece piece;
  piece.work = run.work;
  piece.run = &run;
  piece.target = &target_of(*run.work);
  piece.first = run.next;
  const std::size_t bytes = run.work->result_bytes() != 0 ? run.work->result_bytes()
                                                          : static_cast<std::size_t>(piece.target->result_bytes.value_or(0));
  piece.count = master::Chunking::next(run.total - run.next, options_.procs, piece.target->time.ns(), bytes,
                                       options_.results.count / kChunkShare);
  run.next += piece.count;
  return piece;
}

void PoolCore::hand_out() {
  while (!pending_.empty() || !runs_.empty()) {
    const bool whole = !pending_.empty();
    Run* run = whole ? pending_.front().run : runs_.front();
    Seat* seat = choice_.for_piece(whole ? *pending_.front().target : target_of(*run->work), run != nullptr);
    if (seat == nullptr) return;
    Piece piece;
    if (whole) {
      piece = pending_.front();
      pending_.pop_front();
    } else {
      piece = cut(*run);
      if (run->next == run->total) runs_.erase(runs_.begin());
    }
    give(*seat, piece);
    if (exhausted_) return;
  }
}

void PoolCore::give(Seat& seat, const Piece& what) {
  Target& target = *what.target;
  static constexpr Piece kNone;  // a copy of what was written a moment ago would wait for its stores
  seat.hand.push_back(kNone);
  Piece& piece = seat.hand.back();
  piece.work = what.work;
  piece.run = what.run;
  piece.target = what.target;
  piece.first = what.first;
  piece.count = what.count;
  if (piece.count == 1) {
    piece.room = 0;
    piece.expected = target.call;
  } else {
    const double result = piece.work->result_bytes() != 0 ? static_cast<double>(piece.work->result_bytes())
                                                          : 1.5 * target.result_bytes.value_or(64);
    piece.room = static_cast<std::uint64_t>(result * piece.count);
    piece.expected = master::Chunking::kOverhead +
                     Duration(static_cast<std::int64_t>(target.time.ns().value_or(Target::kUnknownCall.count()) * piece.count));
  }
  piece.timed = !target.time.ns() || piece.run != nullptr || ++target.untimed >= kTimedEvery;
  if (piece.timed) target.untimed = 0;
  const CallContent content(target.header, *piece.work, piece.first, piece.count);
  const auto withdrawn = [&] {
    const Piece unsent = piece;
    seat.hand.pop_back();
    return unsent;
  };
  Result<ipc::Ticket> ticket;
  try {
    ticket = seat.requester->send(
        {.form = ipc::Form::call, .items = piece.count, .stream_room = piece.room, .timed = piece.timed, .content = content});
  } catch (const std::exception& error) {  // the user's code writes arguments
    return give_singly(withdrawn(), error.what());
  } catch (...) {
    return give_singly(withdrawn(), "something that is no std::exception was thrown");
  }
  exhausted_ = !ticket && ticket.error().code == ErrorCode::exhausted;
  if (exhausted_) {  // until others have collected what is on its way
    pending_.push_front(withdrawn());
    return;
  }
  if (!ticket) {
    const Piece unsent = withdrawn();
    fail_items(unsent, unsent.first, unsent.count, Failed{"it could not be sent to a worker: " + ticket.error().text});
    return;
  }
  piece.ticket = *ticket;
  if (seat.hand.size() == 1) crew_.set_busy(number_of(seat), true);
  seat.queued += piece.expected;
  seat.room += piece.room;
  seat.unkicked = true;
  armed_ = false;
}

// The arguments of one of its items cannot be written: that one fails, and the others shall not.
void PoolCore::give_singly(const Piece& piece, const char* why) {
  if (piece.count == 1) {
    fail_items(piece, piece.first, 1, Failed{std::string("its arguments cannot be written: ") + why});
    return;
  }
  std::vector<Piece> items(piece.count, piece);
  for (std::uint32_t i = 0; i < piece.count; ++i) {
    items[i].first += i;
    items[i].count = 1;
  }
  pending_.insert(pending_.begin(), items.begin(), items.end());
}

// A worker with nothing to do gets half of what lies unbegun at the one that has most, if that is worth a wake-up; or if nothing
// came back for a while, so that a call which runs long may be in front of it.
void PoolCore::rebalance() {
  if (!pending_.empty() || !runs_.empty()) return;
  for (Seat& idle : seats_) {
    if (idle.requester == nullptr || !idle.hand.empty() || !idle.broke_rules.empty() || idle.requester->full()) continue;
    Seat* richest = nullptr;
    const Duration worth = 2 * idle.time_until_free(kWakeUp);
    for (Seat& seat : seats_) {
      if (seat.hand.size() < 2 || (patient_ && seat.queued < worth && seat.hand.back().target->time.ns())) continue;
      if (richest == nullptr || seat.queued > richest->queued) richest = &seat;
    }
    if (richest == nullptr) return;
    std::vector<Piece> taken;
    const std::size_t wanted = std::max<std::size_t>(1, (richest->hand.size() - 1) / 2);
    while (taken.size() < wanted && !richest->hand.empty()) {
      const std::size_t before = taken.size();
      richest->take_back(richest->hand.back().ticket, taken);
      if (taken.size() == before) break;  // begun, and so are all older ones
    }
    std::sort(taken.begin(), taken.end(), [](const Piece& a, const Piece& b) { return a.ticket < b.ticket; });
    for (std::size_t i = 0; i < taken.size(); ++i) {
      Seat& seat = i < wanted ? idle : *richest;
      if (seat.takes_more()) {
        give(seat, taken[i]);
      } else {  // what was taken back keeps its place until the worker has passed it
        pending_.push_back(taken[i]);
      }
    }
  }
}

void PoolCore::kick_all() {
  for (std::uint32_t i = 0; i < seats_.size(); ++i) {
    if (std::exchange(seats_[i].unkicked, false) && seats_[i].requester != nullptr) crew_.kick(i);
  }
}

// ---- collecting ----

bool PoolCore::collect(Seat& seat) {
  if (seat.requester == nullptr || !seat.broke_rules.empty()) return false;
  bool any = false;
  for (;;) {
    const Result<ipc::Reply*> front = seat.requester->front();
    if (!front) {
      broken(seat, front.error().text);
      break;
    }
    if (*front == nullptr) break;
    if (seat.hand.empty() || seat.hand.front().ticket != (*front)->ticket) {
      broken(seat, "a reply is for another request than the oldest");
      break;
    }
    const ipc::Reply& reply = **front;
    // Of the worker's clock is believed only what our own, which is the same, bears out.
    if (seat.hand.front().timed &&
        (reply.entered < TimePoint{} || reply.finished < reply.entered || reply.finished > steady_clock::now())) {
      broken(seat, "a reply tells of times that cannot be");
      break;
    }
    deliver(seat, **front);
    any = true;
  }
  if (any && seat.hand.empty()) {
    crew_.set_busy(number_of(seat), false);
    seat.idle_since = ++idle_turns_;
  }
  choice_.collected(seat);
  return any;
}

void PoolCore::deliver(Seat& seat, ipc::Reply& reply) {
  const Piece piece = seat.hand.front();
  const std::uint32_t finished = reply.finished_items;
  if (finished != 0) read_items(piece, piece.first, finished, reply.stream, scratch_);
  std::size_t done = finished;
  std::optional<Failed> failed;
  if (reply.lost) {
    ++done;
    failed.emplace(Failed{"its answer could not be taken: " + reply.lost->text});
  }
  switch (reply.lost ? ipc::LastPart::none : reply.last_part) {
    case ipc::LastPart::none: break;
    case ipc::LastPart::result: read_items(piece, piece.first + done++, 1, reply.last, scratch_); break;
    case ipc::LastPart::failure:
      ++done;
      failed.emplace(Failed{std::string(reinterpret_cast<const char*>(reply.last.bytes.data()), reply.last.bytes.size())});
      break;
  }
  progressed_ = true;
  piece.target->learn(piece, reply);
  seat.drop(seat.hand.begin());
  seat.requester->pop();
  if (failed) piece.work->fail(piece.first + finished, JobError(*std::move(failed), piece.first + finished));
  items_ended(piece, done);
  if (done == piece.count) return;
  pending_.push_front(rest_of(piece, done));  // it ended early
}

// Bytes of a worker are input. One that breaks the rules is ended and takes the way of the dead.
void PoolCore::broken(Seat& seat, const std::string& how) {
  seat.broke_rules = how;
  crew_.worker(number_of(seat)).kill();
}

void PoolCore::seated(std::uint32_t number) {
  Seat& seat = seats_[number];
  seat = Seat(seat.replaced);
  seat.requester = &crew_.worker(number).requester();
  seat.hand.set_capacity(options_.depth);
}

bool PoolCore::bury(std::uint32_t number, const master::WorkerProcess::Death& death) {
  Seat& seat = seats_[number];
  bool entered = false;  // it was in somebody's code
  if (seat.requester != nullptr) {
    collect(seat);  // what was published before the death is valid
    const std::string lie = !seat.broke_rules.empty() ? seat.broke_rules : "a slot is in a state that it cannot be in";
    const bool lied = !seat.broke_rules.empty();
    std::vector<Piece> again;
    for (const Piece& piece : seat.hand) {
      const ipc::Wreck wreck = seat.requester->wreck(piece.ticket);
      std::size_t done = 0;
      entered = entered || wreck.fate != ipc::Fate::untouched;
      switch (wreck.fate) {
        case ipc::Fate::untouched: break;
        case ipc::Fate::entered:
          if (wreck.finished_items != 0)
            read_items(piece, piece.first, wreck.finished_items, {wreck.stream, nullptr}, scratch_);
          done = wreck.finished_items;
          items_ended(piece, done);
          if (done < piece.count) {
            fail_items(piece, piece.first + done, 1,
                       lied ? Crashed{0, "its worker broke the protocol: " + lie}
                            : Crashed{death.signal, death.signal != 0 ? std::string() : "its worker " + death.how});
            ++done;
          }
          break;
        case ipc::Fate::unknown:
          fail_items(piece, piece.first, piece.count, Crashed{0, "its worker broke the protocol: " + lie});
          continue;
      }
      if (done == piece.count) continue;
      again.push_back(rest_of(piece, done));
    }
    pending_.insert(pending_.begin(), again.begin(), again.end());
  }
  choice_.emptied(seat);
  seat = Seat(seat.replaced + 1);
  return std::exchange(progressed_, false) || entered;
}

// ---- waiting ----

bool PoolCore::anything_done() const {
  return std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
    if (seat.requester == nullptr || !seat.broke_rules.empty()) return false;
    return !seat.hand.empty() && seat.requester->done(seat.hand.front().ticket);
  });
}

bool PoolCore::spin() {
  const auto clock = [] { return steady_clock::now().time_since_epoch().count(); };
  const std::int64_t began = clock(), until = began + spin_budget_.next_ns(kLongestSpinNs);
  for (;;) {
    for (int looks = 0; looks < 16; ++looks) {
      if (anything_done()) {
        spin_budget_.met(clock() - began);
        return true;
      }
      ipc::relax();
    }
    if (clock() >= until) break;
  }
  spin_budget_.missed(kLongestSpinNs);
  return false;
}

// Says after which reply each worker shall ring: when it has nothing left; or sooner, if there is more to hand out.
void PoolCore::arm(Awaited awaited) {
  armed_ = true;
  const bool more = !pending_.empty() || !runs_.empty();
  bool idle = false, queued = false;
  lazy_ = false;
  for (Seat& seat : seats_) {
    if (seat.requester == nullptr) continue;
    idle = idle || seat.hand.empty();
    queued = queued || seat.hand.size() > 1;
    if (seat.hand.empty()) continue;
    std::size_t from = more ? (seat.hand.size() - 1) / 2 : seat.hand.size() - 1;
    if (!patient_) from = 0;
    if (awaited == Awaited::one && from != 0) {
      // It may be any of them. No later than a wake-up takes: many for one ring all the same.
      const auto each = std::max<std::int64_t>(1, seat.queued.count() / static_cast<std::int64_t>(seat.hand.size()));
      from = std::min<std::size_t>(from, static_cast<std::size_t>(kWakeUp.count() / each));
    }
    lazy_ = lazy_ || from != 0;
    seat.requester->arm(seat.hand[from].ticket);
  }
  lazy_ = lazy_ || (idle && queued) || (exhausted_ && !pending_.empty());
}

void PoolCore::idle(std::unique_lock<std::mutex>& lock, Awaited awaited) {
  if (crew_.may_spin() && spin()) return;
  arm(awaited);
  struct Polling {
    explicit Polling(bool& flag) : on(flag) { on = true; }
    ~Polling() { on = false; }
    Polling(const Polling&) = delete;
    Polling& operator=(const Polling&) = delete;
    bool& on;
  };
  const TimePoint until = lazy_ ? steady_clock::now() + kPatience : TimePoint::max();
  const Result<bool> slept = [&] {
    const Polling polling(polling_);
    sleeps_long_ = !lazy_;
    return crew_.sleep(until, -1, &lock);
  }();
  sleeps_long_ = false;
  armed_ = false;
  if (crew_.overslept()) patient_ = false;
  if (!slept) {
    trouble_ = slept.error();
    for (Seat& seat : seats_) collect(seat);  // what is done is not lost
  }
  changed_.notify_all();
}

}  // namespace runner
