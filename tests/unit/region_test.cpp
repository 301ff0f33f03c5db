// Shared memory: what it is made of, who may write it, and what is accepted as a payload.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "ipc/arena.hpp"
#include "ipc/inbound.hpp"
#include "ipc/message.hpp"
#include "ipc/region.hpp"
#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

constexpr std::size_t kBytes = 3 * 4096;

UniqueFd copy_of(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }
ErrorCode refused(UniqueFd fd, std::size_t bytes) {
  const auto region = open_payload(std::move(fd), bytes);
  return region ? ErrorCode::usage : region.error().code;
}

TEST(Region, IsTheSameMemoryForBothSides) {
  const Silence silence;
  const Result<SharedRegion> here = SharedRegion::create("runner-test", kBytes, Access::read_write);
  ASSERT_TRUE(here.has_value()) << here.error().text;
  const Result<SharedRegion> there = SharedRegion::open(copy_of(here->fd()), kBytes, Access::read_write);
  ASSERT_TRUE(there.has_value()) << there.error().text;
  EXPECT_NE(here->data(), there->data());
  here->data()[kBytes - 1] = std::byte{7};
  EXPECT_EQ(there->data()[kBytes - 1], std::byte{7});
}

TEST(Region, CanNeverChangeItsSizeAgain) {
  const Silence silence;
  const Result<SharedRegion> region = SharedRegion::create("runner-test", kBytes, Access::read_write);
  ASSERT_TRUE(region.has_value());
  EXPECT_NE(::ftruncate(region->fd(), 0), 0);
  EXPECT_NE(::ftruncate(region->fd(), 2 * kBytes), 0);
  EXPECT_NE(::fcntl(region->fd(), F_ADD_SEALS, F_SEAL_WRITE), 0) << "nor can anybody seal the writer out";
}

TEST(Region, ThatOthersMayOnlyReadCannotBeMappedForWriting) {
  const Silence silence;
  const Result<SharedRegion> region = SharedRegion::create("runner-test", kBytes, Access::read_only);
  ASSERT_TRUE(region.has_value());
  EXPECT_FALSE(SharedRegion::open(copy_of(region->fd()), kBytes, Access::read_write).has_value());
  const Result<SharedRegion> reader = SharedRegion::open(copy_of(region->fd()), kBytes, Access::read_only);
  ASSERT_TRUE(reader.has_value()) << reader.error().text;
  region->data()[0] = std::byte{9};
  EXPECT_EQ(reader->data()[0], std::byte{9});
}

TEST(Region, IsNotInheritedByAForkedChild) {
  const Silence silence;
  const Result<SharedRegion> region = SharedRegion::create("runner-test", kBytes, Access::read_write);
  ASSERT_TRUE(region.has_value());
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGSEGV, SIG_DFL);
    const auto address = reinterpret_cast<std::uintptr_t>(region->data());
    unsigned char there = 0;
    ::_exit(::mincore(reinterpret_cast<void*>(address), 4096, &there) != 0 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Region, IsRefusedWhenItIsNotWhatWasAnnounced) {
  const Silence silence;
  const Result<SharedRegion> region = SharedRegion::create("runner-test", kBytes, Access::read_write);
  ASSERT_TRUE(region.has_value());
  for (const std::size_t announced : {std::size_t{0}, kBytes - 1, kBytes + 1, SIZE_MAX}) {
    const Result<SharedRegion> other = SharedRegion::open(copy_of(region->fd()), announced, Access::read_write);
    ASSERT_FALSE(other.has_value());
    EXPECT_EQ(other.error().code, ErrorCode::protocol);
  }
  UniqueFd unsealed(::memfd_create("runner-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(unsealed.get(), kBytes), 0);
  const Result<SharedRegion> shrinkable = SharedRegion::open(std::move(unsealed), kBytes, Access::read_write);
  ASSERT_FALSE(shrinkable.has_value());
  EXPECT_EQ(shrinkable.error().code, ErrorCode::protocol);
}

TEST(Payload, ComesBackAsItWasSealed) {
  const Silence silence;
  for (const std::size_t bytes : {1U, 4095U, 4096U, 4097U, 3U << 20}) {
    const std::string text(bytes, 'p');
    Result<UniqueFd> sealed = seal_payload(TextContent(text), text.size());
    ASSERT_TRUE(sealed.has_value()) << sealed.error().text;
    EXPECT_EQ(::write(sealed->get(), "x", 1), -1);
    EXPECT_EQ(::mmap(nullptr, 1, PROT_WRITE, MAP_SHARED, sealed->get(), 0), MAP_FAILED);
    const auto opened = open_payload(std::move(*sealed), bytes);
    ASSERT_TRUE(opened.has_value()) << opened.error().text;
    EXPECT_EQ(std::memcmp((*opened)->data(), text.data(), bytes), 0);
  }
}

TEST(Payload, IsRefusedUnlessItIsAMemfdSealedAgainstEveryChange) {
  const Silence silence;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd write_end(ends[1]);
  EXPECT_EQ(refused(UniqueFd(ends[0]), 0), ErrorCode::protocol);
  EXPECT_EQ(refused(UniqueFd(::open("/dev/zero", O_RDWR | O_CLOEXEC)), 4096), ErrorCode::protocol);
  EXPECT_EQ(refused(UniqueFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), 4096), ErrorCode::protocol);
  EXPECT_EQ(refused(UniqueFd(), 4096), ErrorCode::protocol);
  for (const int seals : {0, F_SEAL_SHRINK, F_SEAL_SHRINK | F_SEAL_GROW, F_SEAL_SHRINK | F_SEAL_WRITE,
                          F_SEAL_GROW | F_SEAL_WRITE, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE}) {
    UniqueFd half(::memfd_create("half-sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(half.get(), 4096), 0);
    ASSERT_EQ(::fcntl(half.get(), F_ADD_SEALS, seals), 0);
    EXPECT_EQ(refused(std::move(half), 4096), ErrorCode::protocol) << seals;
  }
  const std::string text(100, 'x');
  for (const std::size_t announced : {std::size_t{0}, std::size_t{99}, std::size_t{101}, SIZE_MAX}) {
    Result<UniqueFd> sealed = seal_payload(TextContent(text), text.size());
    ASSERT_TRUE(sealed.has_value());
    EXPECT_EQ(refused(std::move(*sealed), announced), ErrorCode::protocol);
  }
}

// A region of that size, and an arena in all of it behind the first page.
struct ArenaInARegion {
  explicit ArenaInARegion(std::size_t bytes)
      : region(SharedRegion::create("runner-test", 4096 + bytes, Access::read_write, Pages::as_needed).value()),
        arena(Arena::create(region, 4096).value()) {}
  SharedRegion region;
  Arena arena;
};

TEST(Arena, HandsOutPlacesThatNeverOverlap) {
  constexpr std::size_t kRoom = 64 * 1024;
  ArenaInARegion in(kRoom);
  Arena& arena = in.arena;
  std::mt19937_64 random(1);
  struct Block {
    std::uint64_t offset;
    std::size_t bytes;
    std::byte fill;
  };
  std::vector<Block> live;
  for (int round = 0; round < 20'000; ++round) {
    if (live.empty() || random() % 3 != 0) {
      const std::size_t bytes = 1 + random() % 4000;
      const std::optional<std::uint64_t> offset = arena.allocate(bytes);
      if (!offset) {
        ASSERT_FALSE(live.empty()) << "an empty arena has room";
        continue;
      }
      const auto fill = static_cast<std::byte>(random());
      const std::span<std::byte> at = arena.at(*offset, bytes);
      ASSERT_LE(*offset + bytes, kRoom);
      std::fill(at.begin(), at.end(), fill);
      live.push_back({*offset, bytes, fill});
    } else {
      const std::size_t pick = random() % live.size();
      const Block block = live[pick];
      for (const std::byte byte : arena.at(block.offset, block.bytes)) ASSERT_EQ(byte, block.fill);
      arena.free(block.offset);
      live[pick] = live.back();
      live.pop_back();
    }
  }
  for (const Block& block : live) arena.free(block.offset);
  EXPECT_TRUE(arena.empty());
}

TEST(Arena, AnswersNothingWhenThereIsNoRoom) {
  ArenaInARegion in(16 * 1024);
  Arena& arena = in.arena;
  EXPECT_FALSE(arena.allocate(16 * 1024).has_value());
  EXPECT_FALSE(arena.allocate(SIZE_MAX / 2).has_value());
  const std::optional<std::uint64_t> most = arena.allocate(12 * 1024);
  ASSERT_TRUE(most.has_value());
  EXPECT_FALSE(arena.allocate(12 * 1024).has_value());
  arena.free(*most);
  EXPECT_TRUE(arena.empty());
  EXPECT_TRUE(arena.allocate(12 * 1024).has_value()) << "what was given back is handed out again";
}

// What the allocator wrote without having asked would be a page of its own, and a SIGBUS where there is no memory.
TEST(Arena, TakesMemoryAsItIsNeededAndBeforeItIsWritten) {
  constexpr std::int64_t kStep = 64 * 1024, kAll = 1024 * 1024, kLastPage = 4096;
  ArenaInARegion in(kAll);
  const auto taken = [&]() -> std::int64_t {
    struct stat info{};
    EXPECT_EQ(::fstat(in.region.fd(), &info), 0);
    return info.st_blocks * 512;
  };
  EXPECT_EQ(taken(), kStep + kLastPage);
  std::mt19937_64 random(2);
  std::vector<std::uint64_t> live;
  for (int round = 0; round < 5'000; ++round) {
    if (live.size() < 40 && random() % 3 != 0) {
      const std::size_t bytes = 1 + random() % (static_cast<std::uint64_t>(round) * 4 + 100);
      if (const std::optional<std::uint64_t> offset = in.arena.allocate(bytes)) {
        std::fill_n(in.arena.at(*offset, bytes).begin(), bytes, std::byte{1});
        live.push_back(*offset);
      }
    } else if (!live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      in.arena.free(live.back());
      live.pop_back();
    }
    if (taken() != kAll) {
      ASSERT_EQ((taken() - kLastPage) % kStep, 0) << "after " << round;
    }
  }
  EXPECT_GT(taken(), kStep + kLastPage);
  for (const std::uint64_t offset : live) in.arena.free(offset);
  EXPECT_TRUE(in.arena.empty());
}

TEST(Inbound, NumbersEachOfTheMastersNaps) {
  const Silence silence;
  Result<Inbound> inbound = Inbound::create(64 * 1024);
  ASSERT_TRUE(inbound.has_value()) << inbound.error().text;
  EXPECT_EQ(inbound->state().asleep.load(), 0U);
  for (std::uint64_t nap = 1; nap < 4; ++nap) {
    inbound->sleep_begins();
    EXPECT_EQ(inbound->state().asleep.load(), nap);
    inbound->sleep_ends();
    EXPECT_EQ(inbound->state().asleep.load(), 0U);
  }
}

}  // namespace
}  // namespace runner::ipc
