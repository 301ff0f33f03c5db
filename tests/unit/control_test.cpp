// The control socket: hello, ready, notes, and descriptors; what a stranger says there.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cstring>
#include <runner/version.hpp>
#include <runner/wire.hpp>
#include <string>

#include "ipc/control.hpp"
#include "ipc/hello.hpp"
#include "ipc/layout.hpp"
#include "ipc/note.hpp"
#include "tests/silence.hpp"

namespace runner::ipc {
namespace {

using testing::HasSubstr;

class Control : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::pair<UniqueFd, UniqueFd>> pair = control_pair();
    ASSERT_TRUE(pair.has_value());
    master_ = std::move(pair->first);
    worker_ = std::move(pair->second);
  }
  void say(const std::string& bytes, const std::vector<int>& files = {}) const {
    ASSERT_TRUE(send_control(worker_.get(), as_bytes(bytes), files).has_value());
  }
  Result<Received> hear() { return receive_control(master_.get(), message_, false); }

  Silence silence_;
  UniqueFd master_, worker_;
  ControlMessage message_;
};

TEST_F(Control, CarriesOneMessageAtATimeWithItsDescriptors) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  say("one");
  say("two", std::vector<int>(kMaxControlFiles, null.get()));
  ASSERT_EQ(hear().value(), Received::message);
  EXPECT_EQ(message_.bytes, "one");
  EXPECT_TRUE(message_.files.empty());
  ASSERT_EQ(hear().value(), Received::message);
  EXPECT_EQ(message_.bytes, "two");
  ASSERT_EQ(message_.files.size(), kMaxControlFiles);
  for (const UniqueFd& file : message_.files) {
    EXPECT_NE(file.get(), null.get());
    EXPECT_EQ(::fcntl(file.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  }
  EXPECT_EQ(hear().value(), Received::nothing_there);
}

TEST_F(Control, TellsWhenTheOtherSideIsGone) {
  say("last");
  worker_.reset();
  EXPECT_EQ(hear().value(), Received::message);
  EXPECT_EQ(hear().value(), Received::end_of_file);
  const Result<void> sent = send_control(master_.get(), as_bytes("x"), {});
  ASSERT_FALSE(sent.has_value()) << "and no SIGPIPE";
  EXPECT_EQ(sent.error().code, ErrorCode::system);
}

TEST_F(Control, RefusesAMessageThatIsTooLongOrCarriesTooManyDescriptorsAndKeepsNoneOfThem) {
  say(std::string(kMaxControlBytes, 'x'));
  EXPECT_EQ(hear().value(), Received::message);
  say(std::string(kMaxControlBytes + 1, 'x'));
  Result<Received> got = hear();
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, ErrorCode::protocol);

  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  constexpr std::size_t many = 100;
  alignas(cmsghdr) char ancillary[CMSG_SPACE(many * sizeof(int))] = {};
  char byte = 'x';
  iovec part{&byte, 1};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = ancillary;
  header.msg_controllen = sizeof ancillary;
  cmsghdr* first = CMSG_FIRSTHDR(&header);
  first->cmsg_level = SOL_SOCKET;
  first->cmsg_type = SCM_RIGHTS;
  first->cmsg_len = CMSG_LEN(many * sizeof(int));
  for (std::size_t i = 0; i < many; ++i) {
    const int fd = null.get();
    std::memcpy(CMSG_DATA(first) + i * sizeof(int), &fd, sizeof fd);
  }
  ASSERT_EQ(::sendmsg(worker_.get(), &header, 0), 1);
  got = hear();
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, ErrorCode::protocol);
  message_.files.clear();
}

TEST_F(Control, TellsALimitOfOpenFilesFromAMessageWithTooManyOfThem) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  say("x", std::vector<int>(kMaxControlFiles, null.get()));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = static_cast<rlim_t>(null.get()) + 3;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const Result<Received> got = hear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, ErrorCode::system);
  EXPECT_THAT(got.error().text, HasSubstr("RLIMIT_NOFILE"));
  message_.files.clear();
}

TEST_F(Control, CarriesAHelloAndItsAnswer) {
  const Hello hello{.version = "1.2",
                    .layout = 99,
                    .transport = Transport::pipe,
                    .worker = 7,
                    .incarnation = 8,
                    .master_pid = 9,
                    .depth = 16,
                    .in_bytes = 10,
                    .out_bytes = 11,
                    .memfd_from = 65536,
                    .plugins = {"/a.so", "/b.so"},
                    .shared = 13};
  ASSERT_TRUE(send_hello(worker_.get(), hello, {}).has_value());
  ASSERT_EQ(hear().value(), Received::message);
  const Result<Hello> read = read_hello(message_);
  ASSERT_TRUE(read.has_value()) << read.error().text;
  EXPECT_EQ(read->version, "1.2");
  EXPECT_EQ(read->transport, Transport::pipe);
  EXPECT_EQ(read->memfd_from, 65536U);
  EXPECT_EQ(read->plugins, hello.plugins);
  EXPECT_EQ(read->shared, 13U);

  ASSERT_TRUE(send_ready(worker_.get(), {"1.2", 99, "no"}).has_value());
  ASSERT_EQ(hear().value(), Received::message);
  const Result<Ready> ready = read_ready(message_);
  ASSERT_TRUE(ready.has_value());
  EXPECT_EQ(ready->refusal, "no");
}

TEST_F(Control, ReadsOfTheHelloOfAnotherBuildWhichBuildItIs) {
  const std::string front = "hllo" + to_wire(std::string("9.9.9")) + to_wire(std::uint64_t{7});
  for (const std::string& rest : {std::string(), std::string("x"), std::string(100, '\xff')}) {
    message_.bytes = front + rest;
    const Result<Hello> hello = read_hello(message_);
    ASSERT_TRUE(hello.has_value()) << hello.error().text;
    EXPECT_EQ(hello->version, "9.9.9");
    EXPECT_EQ(hello->layout, 7U);
    const Result<Ready> ready = read_ready(message_);
    ASSERT_TRUE(ready.has_value()) << ready.error().text;
    EXPECT_EQ(ready->version, "9.9.9");
  }
  // Of this build it must be whole; and what is no version is none of another build.
  message_.bytes = "hllo" + to_wire(std::string(RUNNER_VERSION_STRING)) + to_wire(layout_hash()) + "x";
  EXPECT_EQ(read_hello(message_).error().code, ErrorCode::protocol);
  for (const std::string& version : {std::string("\x1b[2J"), std::string(65, '1')}) {
    message_.bytes = "hllo" + to_wire(version) + to_wire(std::uint64_t{7});
    EXPECT_EQ(read_hello(message_).error().code, ErrorCode::protocol);
  }
}

TEST_F(Control, RefusesAHelloThatIsNone) {
  for (const std::string bytes : {"", "x", "GET / HTTP/1.1", "hllo", "hllo\xff\xff\xff\xff"}) {
    message_.bytes = bytes;
    for (const Error& error : {read_hello(message_).error(), read_ready(message_).error()})
      EXPECT_EQ(error.code, ErrorCode::protocol);
  }
}

TEST_F(Control, RefusesPlugInPathsThatDoNotFitIntoAHello) {
  Hello hello;
  hello.plugins.assign(20, std::string(1000, 'p'));
  const Result<void> sent = send_hello(master_.get(), hello, {});
  ASSERT_FALSE(sent.has_value());
  EXPECT_THAT(sent.error().text, HasSubstr("too long"));
}

TEST(Hello, OfAnotherVersionOrLayoutSaysWhatToDo) {
  EXPECT_EQ(mismatch("worker", RUNNER_VERSION_STRING, layout_hash()), "");
  EXPECT_THAT(mismatch("worker", "0.0.9", layout_hash()), HasSubstr("the worker is of version 0.0.9"));
  EXPECT_THAT(mismatch("master", RUNNER_VERSION_STRING, layout_hash() + 1), HasSubstr("install both from one build"));
}

TEST_F(Control, CarriesNotesAndRefusesWhatIsNone) {
  ASSERT_TRUE(send_note(worker_.get(), {NoteTag::terminate, 77}, {}).has_value());
  ASSERT_EQ(hear().value(), Received::message);
  const Result<Note> note = read_note(message_);
  ASSERT_TRUE(note.has_value());
  EXPECT_EQ(note->tag, NoteTag::terminate);
  EXPECT_EQ(note->ticket, 77U);
  for (const std::string& bytes : {std::string(), std::string("\x02"), std::string("\x02") + std::string(9, '\0'),
                                   std::string(9, '\0'), std::string("\x07") + std::string(8, '\0')}) {
    message_.bytes = bytes;
    EXPECT_EQ(read_note(message_).error().code, ErrorCode::protocol);
  }
}

TEST_F(Control, DoesNotWaitForOneWhoReadsNothing) {
  Result<void> sent;
  for (int i = 0; i < 100'000 && sent; ++i) sent = send_note(master_.get(), {NoteTag::terminate, 1}, {}, false);
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().code, ErrorCode::system);
}

TEST_F(Control, HandsOverTheFilesOfAReplyOnlyIfTheyAreItsOwnAndFiles) {
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const int one = file.get();
  const auto files_of = [&](std::uint64_t ticket, std::size_t wanted) { return receive_files(master_.get(), ticket, wanted); };

  ASSERT_TRUE(send_note(worker_.get(), {NoteTag::files, 5}, std::span(&one, 1)).has_value());
  EXPECT_EQ(files_of(5, 0)->size(), 0U) << "none wanted: no look at the socket";
  EXPECT_EQ(files_of(5, 1)->size(), 1U);

  const auto refused = [&](std::uint64_t ticket, std::size_t wanted) {
    const Result<std::vector<UniqueFd>> files = files_of(ticket, wanted);
    return !files && files.error().code == ErrorCode::protocol;
  };
  EXPECT_TRUE(refused(5, 1)) << "nothing came";
  ASSERT_TRUE(send_note(worker_.get(), {NoteTag::files, 6}, std::span(&one, 1)).has_value());
  EXPECT_TRUE(refused(5, 1)) << "another reply's";
  ASSERT_TRUE(send_note(worker_.get(), {NoteTag::files, 5}, std::span(&one, 1)).has_value());
  EXPECT_TRUE(refused(5, 2)) << "too few";
  ASSERT_TRUE(send_note(worker_.get(), {NoteTag::terminate, 5}, std::span(&one, 1)).has_value());
  EXPECT_TRUE(refused(5, 1)) << "not of files";
  say("garbage", {one});
  EXPECT_TRUE(refused(5, 1));
  // Whoever reads from these would wait for a worker, or for ever.
  const UniqueFd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  for (const int odd : {worker_.get(), zero.get()}) {
    ASSERT_TRUE(send_note(worker_.get(), {NoteTag::files, 5}, std::span(&odd, 1)).has_value());
    EXPECT_TRUE(refused(5, 1)) << "no file";
  }
  worker_.reset();
  EXPECT_TRUE(refused(5, 1)) << "the worker is gone";
}

}  // namespace
}  // namespace runner::ipc
