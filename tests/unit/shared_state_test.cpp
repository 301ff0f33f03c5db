// Shared state as memory: made by one side, received by the other over a control socket; and what a stranger sends there.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <runner/wire.hpp>
#include <string>
#include <thread>

#include "ipc/control.hpp"
#include "ipc/shared_state.hpp"
#include "tests/silence.hpp"
#include "tests/unit/records.hpp"

namespace runner::ipc {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t kMagic = 0x64726873;

std::size_t resident_pages() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident;
}

std::string text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

class SharedStateTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::pair<UniqueFd, UniqueFd>> pair = control_pair();
    ASSERT_TRUE(pair.has_value());
    master_ = std::move(pair->first);
    worker_ = std::move(pair->second);
  }
  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.file(name), std::ios::binary) << text;
    return folder_.file(name);
  }
  // What a worker makes of what the master sends.
  Result<SharedState> across(const SharedState& state) {
    const Result<void> sent = send_shared(master_.get(), state);
    if (!sent) return tl::unexpected(sent.error());
    return receive_shared(worker_.get(), state.segments());
  }
  // What a worker says to words with these descriptors.
  ErrorCode refused(const std::vector<SharedSegment>& words, const std::vector<int>& files, std::uint32_t announced) {
    EXPECT_TRUE(send_control(master_.get(), as_bytes(to_wire(kMagic) + to_wire(words)), files).has_value());
    const Result<SharedState> state = receive_shared(worker_.get(), announced);
    return state ? ErrorCode::usage : state.error().code;
  }

  Silence silence_;
  test::TempFolder folder_;
  UniqueFd master_, worker_;
};

TEST_F(SharedStateTest, IsTheSameMemoryOnBothSides) {
  const std::vector<SharedSpec> specs{{"hits", SharedCounter{5}},
                                      {"genome", SharedFile{write("genome", "acgt")}},
                                      {"grid", SharedBytes{{3 * 4096 + 1}}},
                                      {"total", SharedCounter{INT64_MIN}}};
  const Result<SharedState> here = SharedState::create(specs);
  ASSERT_TRUE(here.has_value()) << here.error().text;
  EXPECT_EQ(here->segments(), 3U) << "all counters lie in one";
  const Result<SharedState> there = across(*here);
  ASSERT_TRUE(there.has_value()) << there.error().text;

  EXPECT_EQ(text_of(there->view().bytes("genome")), "acgt");
  EXPECT_EQ(there->view().counter("total").load(), INT64_MIN);
  there->view().counter("hits").fetch_add(2);
  EXPECT_EQ(here->view().counter("hits").load(), 7);
  EXPECT_EQ(here->view().counter("total").load(), INT64_MIN);
  ASSERT_EQ(there->view().writable("grid").size(), 3U * 4096 + 1);
  EXPECT_EQ(text_of(there->view().bytes("grid")), std::string(3 * 4096 + 1, '\0'));
  there->view().writable("grid").back() = std::byte{7};
  EXPECT_EQ(here->view().bytes("grid").back(), std::byte{7});
  EXPECT_NE(&here->view().counter("hits"), &there->view().counter("hits"));
  EXPECT_EQ(there->view().counts().at(0).name, "hits");
}

TEST_F(SharedStateTest, KeepsEveryCounterOnLinesOfItsOwn) {
  const Result<SharedState> state =
      SharedState::create(std::vector<SharedSpec>{{"a", SharedCounter{}}, {"b", SharedCounter{}}});
  ASSERT_TRUE(state.has_value());
  const auto at = [&](const char* name) { return reinterpret_cast<std::uintptr_t>(&state->view().counter(name)); };
  EXPECT_EQ(at("a") % kCounterBytes, 0U);
  EXPECT_EQ(at("b") - at("a"), kCounterBytes);
}

TEST_F(SharedStateTest, OfNothingSendsNothing) {
  const Result<SharedState> state = SharedState::create({});
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->segments(), 0U);
  EXPECT_TRUE(across(*state).has_value());
  ControlMessage message;
  EXPECT_EQ(receive_control(worker_.get(), message, false).value(), Received::nothing_there);
}

TEST_F(SharedStateTest, OfAsMuchAsThereMayBeArrivesInSeveralMessagesAndFindsItsReaderLate) {
  const std::string path = write("f", "x");
  std::vector<SharedSpec> specs;
  for (std::size_t i = 0; i < kMostShared; ++i) {
    std::string name = std::to_string(i) + std::string(kLongestSharedName, 'n');
    name.resize(kLongestSharedName);
    specs.push_back({name, SharedFile{path}});
  }
  const Result<SharedState> here = SharedState::create(specs);
  ASSERT_TRUE(here.has_value()) << here.error().text;
  EXPECT_EQ(here->segments(), kMostShared);
  // All of it is sent before anybody reads: the master may never wait for a worker here.
  const Result<SharedState> there = across(*here);
  ASSERT_TRUE(there.has_value()) << there.error().text;
  for (const SharedSpec& spec : specs) EXPECT_EQ(text_of(there->view().bytes(spec.name)), "x");

  for (SharedSpec& spec : specs) spec.what = SharedCounter{1};
  const Result<SharedState> counters = SharedState::create(specs);
  ASSERT_TRUE(counters.has_value());
  const Result<SharedState> arrived = across(*counters);
  ASSERT_TRUE(arrived.has_value()) << arrived.error().text;
  EXPECT_EQ(arrived->view().counts().size(), kMostShared);
}

TEST_F(SharedStateTest, OfAFileIsReadOnlyAndCostsNothingUntilItIsRead) {
  const std::string path = write("large", "");
  constexpr std::uint64_t large = std::uint64_t{1} << 30;
  ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(large)), 0);
  const Result<SharedState> here = SharedState::create(std::vector<SharedSpec>{{"large", SharedFile{path}}});
  ASSERT_TRUE(here.has_value()) << here.error().text;
  const std::size_t before = resident_pages();
  const Result<SharedState> there = across(*here);
  ASSERT_TRUE(there.has_value()) << there.error().text;
  EXPECT_LT(resident_pages(), before + 256) << "a megabyte for a gigabyte";
  EXPECT_EQ(there->view().bytes("large").size(), large);
  EXPECT_EQ(there->view().bytes("large").back(), std::byte{0});
  const auto page = reinterpret_cast<std::uintptr_t>(there->view().bytes("large").data());
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  EXPECT_NE(::mprotect(reinterpret_cast<void*>(page), 4096, PROT_READ | PROT_WRITE), 0) << "nobody can make it writable";
}

TEST_F(SharedStateTest, OfAnEmptyFileIsAnEmptySpan) {
  const Result<SharedState> here = SharedState::create(std::vector<SharedSpec>{{"empty", SharedFile{write("empty", "")}}});
  ASSERT_TRUE(here.has_value()) << here.error().text;
  const Result<SharedState> there = across(*here);
  ASSERT_TRUE(there.has_value()) << there.error().text;
  EXPECT_TRUE(there->view().bytes("empty").empty());
}

// A worker that replaces another one must start even then: who touches what is gone is the one to be blamed.
TEST_F(SharedStateTest, OfAFileThatWasShortenedIsStillReceivedAndReadWhereItIs) {
  const std::string path = write("f", std::string(3 * 4096, 'x'));
  const Result<SharedState> here = SharedState::create(std::vector<SharedSpec>{{"f", SharedFile{path}}});
  ASSERT_TRUE(here.has_value());
  ASSERT_EQ(::truncate(path.c_str(), 10), 0);
  const Result<SharedState> there = across(*here);
  ASSERT_TRUE(there.has_value()) << there.error().text;
  EXPECT_EQ(there->view().bytes("f").size(), 3U * 4096);
  EXPECT_EQ(text_of(there->view().bytes("f").first(10)), "xxxxxxxxxx");
}

TEST_F(SharedStateTest, ThatCannotBeMadeSaysWhy) {
  const auto said = [](SharedSpec spec) {
    const Result<SharedState> state = SharedState::create(std::vector<SharedSpec>{std::move(spec)});
    return state ? "no error" : state.error().text;
  };
  EXPECT_THAT(said({"f", SharedFile{folder_.file("no")}}), HasSubstr("of `f`: open: No such file or directory"));
  EXPECT_THAT(said({"f", SharedFile{folder_.file("")}}), HasSubstr("is a folder; a file was expected"));
  EXPECT_THAT(said({"f", SharedFile{"/dev/null"}}), HasSubstr("is no regular file"));
  EXPECT_THAT(said({"r", SharedBytes{{0}}}), HasSubstr("the shared region `r` cannot have 0 B"));
  EXPECT_THAT(said({"r", SharedBytes{{UINT64_MAX}}}), HasSubstr("at most the memory of this machine"));
  EXPECT_THAT(said({"a b", SharedCounter{}}), HasSubstr("`a b` cannot be the name"));
  const Result<SharedState> twice =
      SharedState::create(std::vector<SharedSpec>{{"a", SharedCounter{}}, {"a", SharedCounter{}}});
  ASSERT_FALSE(twice.has_value());
  EXPECT_THAT(twice.error().text, HasSubstr("two shared things are called `a`"));
  EXPECT_FALSE(SharedState::create(std::vector<SharedSpec>(kMostShared + 1)).has_value());
}

TEST_F(SharedStateTest, IsRefusedWhenItsDescriptorIsNotWhatWasAnnounced) {
  const Result<SharedRegion> region = SharedRegion::create("runner-test", 4096, Access::read_write);
  ASSERT_TRUE(region.has_value());
  const int fd = region->fd();
  EXPECT_EQ(refused({{SharedSort::region, 4097, {"r"}}}, {fd}, 1), ErrorCode::protocol);
  EXPECT_EQ(refused({{SharedSort::region, 0, {"r"}}}, {fd}, 1), ErrorCode::protocol);
  EXPECT_EQ(refused({{SharedSort::counters, 4096, {"r"}}}, {fd}, 1), ErrorCode::protocol) << "one counter is no page";
  const UniqueFd unsealed(::memfd_create("runner-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(unsealed.get(), 4096), 0);
  EXPECT_EQ(refused({{SharedSort::region, 4096, {"r"}}}, {unsealed.get()}, 1), ErrorCode::protocol) << "it could shrink";
  const UniqueFd device(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(refused({{SharedSort::file, 4096, {"f"}}}, {device.get()}, 1), ErrorCode::protocol);
  EXPECT_EQ(refused({{SharedSort::file, 4096, {"f"}}}, {worker_.get()}, 1), ErrorCode::protocol);
}

TEST_F(SharedStateTest, IsRefusedWhenItsWordsCannotBe) {
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const int fd = file.get();
  const SharedSegment good{SharedSort::file, 1, {"f"}}, other{SharedSort::file, 1, {"g"}};
  EXPECT_EQ(refused({good, other}, {fd}, 2), ErrorCode::protocol) << "a descriptor too few";
  EXPECT_EQ(refused({good}, {fd, fd}, 2), ErrorCode::protocol) << "one too many";
  EXPECT_EQ(refused({}, {}, 1), ErrorCode::protocol);
  EXPECT_EQ(refused({good, other}, {fd, fd}, 1), ErrorCode::protocol) << "more than announced";
  EXPECT_EQ(refused({good, good}, {fd, fd}, 2), ErrorCode::protocol) << "a name twice";
  EXPECT_EQ(refused({{SharedSort::file, 1, {}}}, {fd}, 1), ErrorCode::protocol);
  EXPECT_EQ(refused({{SharedSort::file, 1, {"f", "g"}}}, {fd}, 1), ErrorCode::protocol);
  EXPECT_EQ(refused({{SharedSort::file, 1, {"a b"}}}, {fd}, 1), ErrorCode::protocol);
  EXPECT_EQ(refused({{SharedSort{3}, 1, {"f"}}}, {fd}, 1), ErrorCode::protocol);
  EXPECT_EQ(refused({{SharedSort::counters, 2 * kCounterBytes, {"c", "c"}}}, {fd}, 1), ErrorCode::protocol);
  EXPECT_EQ(refused({{SharedSort::counters, 0, {}}}, {fd}, 1), ErrorCode::protocol);
}

TEST_F(SharedStateTest, IsRefusedWhenItsBytesAreGarbage) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::vector<SharedSegment> words{{SharedSort::file, 1, {"f"}}};
  const std::string whole = to_wire(kMagic) + to_wire(words);
  std::vector<std::string> all{"",
                               "x",
                               "GET / HTTP/1.1",
                               to_wire(kMagic),
                               to_wire(kMagic) + std::string(9, '\xff'),
                               whole + "x",
                               std::string(kMaxControlBytes, '\xff')};
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) all.push_back(whole.substr(0, bytes));
  for (const std::string& bytes : all) {
    ASSERT_TRUE(send_control(master_.get(), as_bytes(bytes), std::vector<int>{null.get()}).has_value());
    const Result<SharedState> state = receive_shared(worker_.get(), 1);
    ASSERT_FALSE(state.has_value());
    EXPECT_EQ(state.error().code, ErrorCode::protocol) << state.error().text;
  }
  EXPECT_EQ(receive_shared(worker_.get(), kMostShared + 1).error().code, ErrorCode::protocol);
}

TEST_F(SharedStateTest, ThatNeverComesBecauseTheMasterDiedIsNotWaitedFor) {
  master_.reset();
  const Result<SharedState> state = receive_shared(worker_.get(), 1);
  ASSERT_FALSE(state.has_value());
  EXPECT_EQ(state.error().code, ErrorCode::system);
}

TEST_F(SharedStateTest, CountsEveryAdditionOfSeveralThreadsThroughSeveralMappings) {
  const Result<SharedState> here = SharedState::create(std::vector<SharedSpec>{{"c", SharedCounter{-10'000}}});
  ASSERT_TRUE(here.has_value());
  const Result<SharedState> there = across(*here);
  ASSERT_TRUE(there.has_value());
  const auto add = [](SharedCount& counter) {
    for (int i = 0; i < 50'000; ++i) counter.fetch_add(1, std::memory_order_relaxed);
  };
  std::thread other([&] { add(there->view().counter("c")); });
  add(here->view().counter("c"));
  other.join();
  EXPECT_EQ(here->view().counter("c").load(), 90'000);
}

}  // namespace
}  // namespace runner::ipc
