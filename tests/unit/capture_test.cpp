// One stream of a command: in memory up to 1 MiB, beyond that in a file without a name.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "ipc/os.hpp"
#include "tests/silence.hpp"
#include "worker/capture.hpp"

namespace runner::worker {
namespace {

constexpr std::uint64_t kMemory = Captured::kCaptureInMemory, kTail = Captured::kCaptureTail;

std::string numbered(std::uint64_t bytes) {
  std::string text;
  for (std::uint64_t line = 0; text.size() < bytes; ++line) text += std::to_string(line) + "\n";
  text.resize(bytes);
  return text;
}
std::string whole_file(const Captured& captured) {
  std::string text(captured.bytes + 1, '\0');
  const ssize_t got = ::pread(captured.spill.get(), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  return text;
}
// What message.cpp checks on the other side of the wire.
void expect_consistent(const Captured& captured) {
  EXPECT_EQ(static_cast<bool>(captured.spill), captured.bytes > kMemory);
  if (captured.spill) {
    EXPECT_LE(captured.text.size(), kTail);
  } else {
    EXPECT_EQ(captured.text.size(), captured.bytes);
  }
}

TEST(Capture, KeepsUpToOneMebibyteInMemory) {
  const Silence silence;
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, kMemory - 1, kMemory}) {
    Capture capture;
    const std::string text = numbered(bytes);
    ASSERT_TRUE(capture.append(text).has_value());
    const Captured captured = capture.take();
    expect_consistent(captured);
    EXPECT_TRUE(captured.text == text);
  }
}

TEST(Capture, KeepsEverythingInAFileBeyondThatAndTheEndInMemory) {
  const Silence silence;
  for (const std::uint64_t bytes : {kMemory + 1, 3 * kMemory + 12'345}) {
    for (const std::size_t block : {std::size_t{4096}, std::size_t{1'000'000}, static_cast<std::size_t>(bytes)}) {
      Capture capture;
      const std::string text = numbered(bytes);
      for (std::size_t at = 0; at < text.size(); at += block) {
        ASSERT_TRUE(capture.append(std::string_view(text).substr(at, block)).has_value());
      }
      const Captured captured = capture.take();
      expect_consistent(captured);
      EXPECT_EQ(captured.bytes, bytes);
      EXPECT_TRUE(whole_file(captured) == text);
      EXPECT_TRUE(captured.text == text.substr(text.size() - kTail));
    }
  }
}

TEST(Capture, IsEmptyAgainAfterItWasTaken) {
  Capture capture;
  ASSERT_TRUE(capture.append("first").has_value());
  EXPECT_EQ(capture.take().text, "first");
  EXPECT_EQ(capture.take().bytes, 0U);
}

TEST(Capture, LeavesNoFileBehindWhereverItKeepsThem) {
  const Silence silence;
  const std::string folder = testing::TempDir() + "runner-capture-" + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  ::setenv("TMPDIR", folder.c_str(), 1);
  {
    Capture capture;
    ASSERT_TRUE(capture.append(numbered(kMemory + 1)).has_value());
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    // A file system that knows no O_TMPFILE.
    Capture other;
    os::faults::arm({.nth = 1, .error = EOPNOTSUPP, .only = "open"});
    EXPECT_TRUE(other.append(numbered(kMemory + 1)).has_value());
    os::faults::disarm();
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    expect_consistent(other.take());
  }
  ::unsetenv("TMPDIR");
  std::filesystem::remove(folder);
}

TEST(Capture, ThatCannotBeKeptSaysSoAndKeepsWhatCameBefore) {
  const Silence silence;
  const std::string before = numbered(kMemory - 10);
  ::setenv("TMPDIR", "/no/such/folder", 1);
  Capture capture;
  ASSERT_TRUE(capture.append(before).has_value());
  const Result<void> more = capture.append("more than fits into memory");
  ::unsetenv("TMPDIR");
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().code, ErrorCode::system);
  const Captured captured = capture.take();
  expect_consistent(captured);
  EXPECT_TRUE(captured.text == before);
}

TEST(Capture, OnADiskThatIsFullKeepsWhatCameBefore) {
  const Silence silence;
  // The first write moves what was in memory, the second and third are what follows.
  for (const std::uint64_t nth : {1U, 2U, 3U}) {
    Capture capture;
    const std::string text = numbered(3 * kMemory);
    os::faults::arm({.nth = nth, .error = ENOSPC, .only = "write"});
    std::uint64_t kept = 0;
    while (capture.append(std::string_view(text).substr(kept, 600'000)).has_value()) kept += 600'000;
    os::faults::disarm();
    const Captured captured = capture.take();
    expect_consistent(captured);
    EXPECT_EQ(captured.bytes, kept);
    if (captured.spill) {
      EXPECT_TRUE(whole_file(captured) == text.substr(0, kept));
    }
  }
}

}  // namespace
}  // namespace runner::worker
