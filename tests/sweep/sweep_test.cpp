// A worker is led from claim to the end of its life one instruction at a time, and after every instruction the master's real
// recovery looks at what a kill at that place would have left: in copies of the shared memory, or in what came out of the pipe.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>
#include <runner/job.hpp>
#include <runner/process_pool.hpp>
#include <string>
#include <vector>

#include "ipc/call_message.hpp"
#include "tests/channel_ends.hpp"
#include "tests/silence.hpp"
#include "tests/sweep/effects.hpp"
#include "tests/sweep/stepped_worker.hpp"

namespace runner::sweep {
namespace {

using ipc::Fate;
using ipc::LastPart;
using ipc::Place;

// ---- user code: its first act and its last leave a trace ----

struct Parcel {
  std::uint32_t item = 0;
  std::string load;
  template <class A>
  void serialize(A& a) {
    a(arg("item", item, "its place among the items"), arg("load", load, "what it carries"));
  }
};

std::uint64_t square(std::uint32_t item) {
  effects().began = item + 1;
  const std::uint64_t result = std::uint64_t{item} * item;
  effects().ended = item + 1;
  return result;
}
// The fourth item's result is longer than all others together.
std::string lengthen(std::uint32_t item) {
  effects().began = item + 1;
  std::string result(item == 3 ? 300 : 10, static_cast<char>('a' + item));
  effects().ended = item + 1;
  return result;
}
std::uint64_t refuse_fourth(std::uint32_t item) {
  effects().began = item + 1;
  effects().ended = item + 1;
  if (item == 3) throw std::runtime_error("the fourth is too many");
  return item;
}
void only_effects(std::uint32_t item) {
  effects().began = item + 1;
  effects().ended = item + 1;
}
// An argument whose reading is user code too, and comes first.
struct Loud {
  std::uint32_t item = 0;
  std::string name;
  template <class A>
  void save(A& a) const {
    a(item, name);
  }
  template <class A>
  void load(A& a) {
    a(item);
    effects().began = item + 1;
    a(name);
  }
};
std::uint64_t length_of(const Loud& loud) {
  const std::uint64_t result = loud.name.size();
  effects().ended = loud.item + 1;
  return result;
}
Parcel echo(const Parcel& args, JobContext&) {
  effects().began = args.item + 1;
  Parcel result = args;
  effects().ended = args.item + 1;
  return result;
}
RUNNER_JOB("sweep_echo", echo, "Answers what it was given.")

// ---- requests ----

template <class Argument>
class Calls final : public WireContent {
 public:
  Calls(const ipc::Modules& modules, Callable called, std::vector<Argument> items)
      : header_{*modules.name_of(reinterpret_cast<AnyFunction>(called.run)), *modules.name_of(called.code)},
        items_(std::move(items)) {}
  void write(ByteWriter& out) const override {
    ipc::write_call_header(out, header_);
    for (const Argument& item : items_) write_item(out, item);
  }

 private:
  ipc::CallHeader header_;
  std::vector<Argument> items_;
};
std::vector<std::uint32_t> numbers(std::uint32_t items) {
  std::vector<std::uint32_t> all(items);
  std::iota(all.begin(), all.end(), 0U);
  return all;
}

template <class T>
std::string bytes_of(const T& value) {
  ByteWriter sizing({});
  write_item(sizing, value);
  std::string bytes(sizing.size(), '\0');
  ByteWriter out(std::as_writable_bytes(std::span(bytes)));
  write_item(out, value);
  return bytes;
}
std::string text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// What the reply must be, once it is published.
struct Expected {
  std::vector<std::string> results;  // of the items that come through the stream
  Place place = Place::inline_;      // of the last part
  std::function<void(const ipc::Reply&)> check;
};

// How many instructions a worker stood at each stage, for a person.
struct Stages {
  std::uint64_t untouched = 0, entered = 0, done = 0;
  std::uint64_t announced = 0;    // of entered: an item is announced, its code has not begun
  std::uint64_t unconfirmed = 0;  // of entered: an item's code has ended, and it does not count as finished yet
};

bool has_evidence(const Result<ipc::JobReply>& reply) { return reply && reply->outcome.peak_memory.has_value(); }

class Sweep : public testing::TestWithParam<ipc::Transport> {
 protected:
  Sweep() : modules_(ipc::Modules::take()) { effects().clear(); }  // and makes them, before the fork

  // Sends the request twice: once to warm up (what is loaded lazily, is), then it is watched.
  void sweep(const ipc::Request& request, const Expected& expected, const ipc::ShmGeometry& wanted = {}) {
    ipc::ShmGeometry geometry = wanted;
    geometry.depth = 4;
    geometry.out_bytes = 16 * 1024;  // copied after each instruction
    Result<ipc::ChannelEnds> made = ipc::offer_channel(GetParam(), geometry, 64 * 1024);
    ASSERT_TRUE(made.has_value()) << made.error().text;
    ends_ = std::move(*made);
    if (is_shm()) map_again();
    auto started = SteppedWorker::start(ends_, registry_, modules_);
    if (!started) GTEST_SKIP() << "no sweep: " << started.error().text;
    SteppedWorker& worker = **started;

    const Result<ipc::Ticket> warming = master().send(request);
    ASSERT_TRUE(warming.has_value()) << warming.error().text;
    ASSERT_TRUE(master().kick());
    expected.check(*wait_for(*warming));
    master().pop();
    effects().clear();

    worker.stop();
    watch(worker, request, expected);
    EXPECT_EQ(worker.exit_status(), 0);
  }

 private:
  [[nodiscard]] static bool is_shm() { return GetParam() == ipc::Transport::shm; }
  [[nodiscard]] ipc::Requester& master() { return ends_.jobs->bytes(); }

  // A second view of the channel and the results, so that recovery can be given copies.
  void map_again() {
    const std::vector<int> files = static_cast<ipc::ShmRequester&>(master()).files();
    const auto open = [](int fd, std::size_t bytes) {
      return ipc::SharedRegion::open(UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)), bytes, ipc::Access::read_write).value();
    };
    channel_ = open(files[0], ipc::channel_bytes(ends_.hello.depth));
    out_ = open(files[2], ends_.hello.out_bytes);
  }

  ipc::Reply* wait_for(ipc::Ticket ticket) {
    for (;;) {
      const Result<ipc::Reply*> front = master().front();
      EXPECT_TRUE(front.has_value()) << front.error().text;
      if (!front || *front != nullptr) return front.value_or(nullptr);
      ends_.sleep(ticket);
    }
  }

  void watch(SteppedWorker& worker, const ipc::Request& request, const Expected& expected) {
    const ipc::Ticket ticket = master().send(request).value();
    const ipc::Ticket behind = master().send(request).value();
    const ipc::Issued issued{
        .items = request.items, .timed = request.timed, .payload = {}, .memfd = false, .taken_back = false};
    ASSERT_TRUE(master().kick());
    master().arm(ticket);
    if (is_shm()) ends_.inbound->sleep_begins();  // so that the bell is rung

    Stages stages;
    std::uint64_t instructions = 0;
    Fate before = Fate::untouched;
    std::uint32_t finished_before = 0;
    alignas(ipc::Slot) std::byte slot[sizeof(ipc::Slot)], published[sizeof(ipc::Slot)];
    std::vector<std::byte> out(out_.size()), out_published;
    bool done = false;
    while (worker.step()) {
      ++instructions;
      SCOPED_TRACE("after instruction " + std::to_string(instructions));
      if (is_shm()) {
        std::memcpy(slot, &ipc::slot_of(channel_.data(), ends_.hello.depth, number(ticket)), sizeof slot);
        std::memcpy(out.data(), out_.data(), out.size());
      }
      const auto& seen = *reinterpret_cast<const ipc::Slot*>(slot);
      if (done) {
        ++stages.done;
        ASSERT_EQ(std::memcmp(slot, published, sizeof slot), 0) << "the slot was changed after it was published";
        ASSERT_EQ(std::memcmp(out.data(), out_published.data(), out.size()), 0) << "results changed after they were published";
        continue;
      }
      const std::uint32_t began = effects().began, ended = effects().ended;
      const Result<ipc::Reply*> front = master().front();
      ASSERT_TRUE(front.has_value()) << front.error().text;
      if (*front != nullptr) {
        ASSERT_EQ(before, Fate::entered);
        ASSERT_EQ(ended, began) << "published before its code had ended";
        ASSERT_EQ(ended, (*front)->finished_items + ((*front)->last_part != LastPart::none ? 1 : 0));
        ASSERT_EQ(text_of((*front)->stream.bytes), stream_of(expected, (*front)->finished_items));
        ASSERT_EQ((*front)->finished_items, expected.results.size());
        if (is_shm() && (*front)->last_part != LastPart::none) {
          // On a busy machine the steps through a job's code may take so long that its reply brings evidence, which takes room.
          const bool evidence = request.form == ipc::Form::job && seen.reply_place == Place::arena &&
                                has_evidence(ipc::read_reply((*front)->last.bytes, 0));
          if (!evidence) {
            ASSERT_EQ(seen.reply_place, expected.place);
          }
        }
        expected.check(**front);
        ASSERT_EQ(master().wreck(behind).fate, Fate::untouched);
        std::vector<ipc::Ticket> taken;
        master().take_back(behind, taken);
        ASSERT_EQ(taken, std::vector{behind});
        master().close();
        std::memcpy(published, slot, sizeof slot);
        out_published = out;
        done = true;
        continue;
      }
      const ipc::Wreck real = master().wreck(ticket);
      const ipc::Wreck wreck = is_shm() ? ipc::examine(seen, number(ticket), issued, out) : real;
      ASSERT_TRUE(wreck.fate == real.fate && wreck.finished_items == real.finished_items);
      ASSERT_NE(wreck.fate, Fate::unknown);
      ASSERT_GE(wreck.fate, before) << "it went back";
      before = wreck.fate;
      if (wreck.fate == Fate::untouched) {
        ++stages.untouched;
        ASSERT_EQ(began, 0U) << "its code has begun, and it would be run again";
        continue;
      }
      ++stages.entered;
      const std::uint32_t finished = wreck.finished_items;
      ASSERT_GE(finished, finished_before);
      finished_before = finished;
      ASSERT_LE(finished, ended) << "an item counts as finished whose code has not ended";
      ASSERT_LE(ended, finished + 1) << "two items have ended, and the first does not count as finished";
      ASSERT_LE(began, finished + 1) << "an item's code has begun, and another would be blamed";
      ASSERT_EQ(text_of(wreck.stream), stream_of(expected, finished));
      if (finished < request.items && began == finished) ++stages.announced;
      if (ended == finished + 1) ++stages.unconfirmed;
    }
    EXPECT_TRUE(done);
    pollfd bell{master().doorbell(), POLLIN, 0};
    if (is_shm()) {  // a pipe with something in it is its own bell
      EXPECT_EQ(::poll(&bell, 1, 0), 1) << "nobody rang";
    }
    std::printf("    %llu instructions: %llu untouched, %llu entered (%llu before an item's code, %llu after it), %llu done\n",
                as_printed(instructions), as_printed(stages.untouched), as_printed(stages.entered),
                as_printed(stages.announced), as_printed(stages.unconfirmed), as_printed(stages.done));
  }
  static unsigned long long as_printed(std::uint64_t count) { return count; }
  static std::string stream_of(const Expected& expected, std::uint32_t finished) {
    EXPECT_LE(finished, expected.results.size());
    const auto first = expected.results.begin();
    return std::accumulate(first, first + std::min<std::ptrdiff_t>(finished, std::ssize(expected.results)), std::string());
  }

 protected:
  Silence silence_;
  Registry registry_;
  ipc::Modules modules_;

 private:
  ipc::ChannelEnds ends_;
  ipc::SharedRegion channel_, out_;
};

std::string transport_name(const testing::TestParamInfo<ipc::Transport>& over) {
  return over.param == ipc::Transport::shm ? "shm" : "pipe";
}

// ---- jobs of a batch ----

class SweepOfAJob : public Sweep {
 protected:
  void sweep_job(std::size_t bytes, Place reply, std::size_t memfd_from) {
    const Parcel parcel{0, std::string(bytes, 'p')};
    const Work work = TypedWork{"sweep_echo", to_wire(parcel)};
    const ipc::RequestContent content(JobId{7}, Attempt{2}, work);
    sweep({.content = content},
          {{},
           reply,
           [&](const ipc::Reply& got) {
             ASSERT_EQ(got.last_part, LastPart::result);
             const Result<ipc::JobReply> answer = ipc::read_reply(got.last.bytes, got.files, got.last.owner);
             ASSERT_TRUE(answer.has_value()) << answer.error().text;
             EXPECT_EQ(answer->job, JobId{7});
             EXPECT_TRUE(succeeded(answer->outcome));
             EXPECT_EQ(answer->outcome.result.text(), to_wire(parcel));
           }},
          {.memfd_from = memfd_from});
  }
};

INSTANTIATE_TEST_SUITE_P(Over, SweepOfAJob, testing::Values(ipc::Transport::shm, ipc::Transport::pipe), transport_name);

TEST_P(SweepOfAJob, ThatLiesInItsSlot) { sweep_job(3, Place::inline_, 4096); }
TEST_P(SweepOfAJob, ThatLiesInTheArenas) { sweep_job(300, Place::arena, 4096); }
TEST_P(SweepOfAJob, ThatTravelsInMemfds) { sweep_job(300, Place::memfd, 256); }
TEST_P(SweepOfAJob, ThatIsNoSinglePacket) { sweep_job(5'000, Place::memfd, 4096); }

// ---- calls ----

class SweepOfCalls : public Sweep {
 protected:
  template <class F, class Argument>
  void sweep_calls(F function, const std::vector<Argument>& items, std::uint64_t room, const Expected& expected,
                   const ipc::ShmGeometry& geometry = {}) {
    const Calls<Argument> content(modules_, callable(function), items);
    sweep({.form = ipc::Form::call, .items = static_cast<std::uint32_t>(items.size()), .stream_room = room, .content = content},
          expected, geometry);
  }
  template <class F, class Argument>
  static std::vector<std::string> results_of(F function, const std::vector<Argument>& items) {
    std::vector<std::string> results;
    for (const Argument& item : items) results.push_back(bytes_of(function(item)));
    return results;
  }
};

INSTANTIATE_TEST_SUITE_P(Over, SweepOfCalls, testing::Values(ipc::Transport::shm, ipc::Transport::pipe), transport_name);

void nothing_last(const ipc::Reply& reply) { EXPECT_EQ(reply.last_part, LastPart::none); }

TEST_P(SweepOfCalls, OneWhoseResultLiesInItsSlot) {
  if (GetParam() == ipc::Transport::shm) {
    sweep_calls(&square, numbers(1), 0, {results_of(&square, numbers(1)), {}, nothing_last});
  } else {  // there is no slot, so it comes behind the frame of its reply
    const auto only = [](const ipc::Reply& reply) {
      EXPECT_EQ(reply.last_part, LastPart::result);
      EXPECT_EQ(text_of(reply.last.bytes), bytes_of(square(0)));
    };
    sweep_calls(&square, numbers(1), 0, {{}, {}, only});
  }
}

TEST_P(SweepOfCalls, OneWithoutAResult) { sweep_calls(&only_effects, numbers(1), 0, {{""}, {}, nothing_last}); }

TEST_P(SweepOfCalls, FiveWhoseResultsLieInTheArena) {
  sweep_calls(&square, numbers(5), 5 * sizeof(std::uint64_t), {results_of(&square, numbers(5)), {}, nothing_last});
}

TEST_P(SweepOfCalls, FiveWhoseArgumentsAreReadByCodeOfTheirOwn) {
  std::vector<Loud> loud;
  for (const std::uint32_t item : numbers(5)) loud.push_back({item, std::string(item, 'n')});
  sweep_calls(&length_of, loud, 5 * sizeof(std::uint64_t), {results_of(&length_of, loud), {}, nothing_last});
}

TEST_P(SweepOfCalls, FiveOfWhichTheFourthHasTooLongAResult) {
  const auto fourth = [](const ipc::Reply& reply) {
    EXPECT_EQ(reply.last_part, LastPart::result);
    EXPECT_EQ(text_of(reply.last.bytes), bytes_of(std::string(300, 'd')));
  };
  sweep_calls(&lengthen, numbers(5), 100, {results_of(&lengthen, numbers(3)), Place::arena, fourth});
}

TEST_P(SweepOfCalls, FiveOfWhichTheFourthSendsItsResultInAMemfd) {
  const auto fourth = [](const ipc::Reply& reply) {
    EXPECT_EQ(reply.last_part, LastPart::result);
    EXPECT_EQ(text_of(reply.last.bytes), bytes_of(std::string(300, 'd')));
  };
  sweep_calls(&lengthen, numbers(5), 100, {results_of(&lengthen, numbers(3)), Place::memfd, fourth}, {.memfd_from = 256});
}

TEST_P(SweepOfCalls, FiveOfWhichTheFourthThrows) {
  const auto fourth = [](const ipc::Reply& reply) {
    EXPECT_EQ(reply.last_part, LastPart::failure);
    EXPECT_EQ(text_of(reply.last.bytes), "the fourth is too many");
  };
  sweep_calls(&refuse_fourth, numbers(5), 5 * sizeof(std::uint64_t),
              {results_of(&refuse_fourth, numbers(3)), Place::inline_, fourth});
}

}  // namespace
}  // namespace runner::sweep
