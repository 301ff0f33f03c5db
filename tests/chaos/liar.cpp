#include "tests/chaos/liar.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>

#include "ipc/layout.hpp"
#include "ipc/message.hpp"
#include "ipc/note.hpp"
#include "ipc/pipe_requester.hpp"
#include "tests/chaos/nonsense.hpp"

namespace runner::chaos {

using namespace ipc;

namespace {

constexpr int kRounds = 300;

std::uint32_t depth_of(const Grip& grip) {
  return static_cast<std::uint32_t>((grip.channel.size() - sizeof(ChannelHeader)) / sizeof(Slot));
}
Slot& slot(const Grip& grip, std::uint64_t seq) { return slot_of(grip.channel.data(), depth_of(grip), seq); }
Slot& any_slot(const Grip& grip, Random& random) { return slot(grip, random() % std::min<std::uint64_t>(4, depth_of(grip))); }

void ring(const Grip& grip) {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(grip.doorbell, &one, sizeof one));
  ::usleep(50);
}
void set(Slot& at, SlotState state) { at.word.store(pack({unpack(at.word.load()).seq, state})); }

void send_raw(const Grip& grip, const std::string& bytes, std::span<const int> files) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int) * 16)];
  if (!files.empty()) {
    header.msg_control = ancillary;
    header.msg_controllen = CMSG_SPACE(files.size_bytes());
    cmsghdr* const first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(files.size_bytes());
    std::memcpy(CMSG_DATA(first), files.data(), files.size_bytes());
  }
  ::sendmsg(grip.control, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}
void send_files(const Grip& grip, std::uint64_t ticket, std::span<const int> files) {
  send_raw(grip, to_wire(static_cast<std::uint8_t>(NoteTag::files)) + to_wire(ticket), files);
}

// A file of a sort that the master does not expect, and how long it says it is.
struct Strange {
  int fd = -1;
  std::uint64_t bytes = 0;
};
Strange strange_file(Random& random) {
  constexpr std::uint64_t tiny = 64, huge = std::uint64_t{1} << 40;
  constexpr int immutable = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const auto memory = [](std::uint64_t bytes, int seals) {
    const int fd = ::memfd_create("strange", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    static_cast<void>(!::ftruncate(fd, static_cast<off_t>(bytes)));
    if (seals != 0) ::fcntl(fd, F_ADD_SEALS, seals);
    return Strange{fd, bytes};
  };
  int pair[2] = {-1, -1};
  switch (random() % 10) {
    case 0: return {::open("/", O_RDONLY | O_DIRECTORY), tiny};
    case 1: return {::open("/dev/zero", O_RDONLY), tiny};
    case 2: return {::open("/proc/self/exe", O_RDONLY), tiny};
    case 3: static_cast<void>(!::pipe(pair)); return {pair[random() % 2], tiny};
    case 4: static_cast<void>(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair)); return {pair[0], tiny};
    case 5: return memory(tiny, 0);                           // could be changed under the reader
    case 6: return memory(tiny, F_SEAL_GROW | F_SEAL_WRITE);  // could be cut off under the reader
    case 7: return memory(huge, immutable);                   // all holes
    case 8: return memory(0, immutable);
    default: return memory(tiny, immutable);  // as it should be, and full of zeros
  }
}

// ---- tricks in shared memory ----

void wild_slots(const Grip& grip, Random& random) {
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < 64; ++i) grip.channel[random() % grip.channel.size()] = static_cast<std::byte>(random());
    ring(grip);
  }
}
void wild_words(const Grip& grip, Random& random) {
  for (int round = 0; round < kRounds; ++round) {
    any_slot(grip, random).word.store(random() % 2 == 0 ? random() : random() % 64);
    ring(grip);
  }
}
void false_replies(const Grip& grip, Random& random) {
  for (int round = 0; round < kRounds; ++round) {
    Slot& at = any_slot(grip, random);
    forge_reply(at, random);
    set(at, SlotState::done);
    ring(grip);
  }
}
void false_progress(const Grip& grip, Random& random) {
  for (std::uint64_t seq = 0; seq < depth_of(grip); ++seq) {
    Slot& at = slot(grip, seq);
    at.progress.store(number(random));
    at.stream_offset = number(random);
    at.started_ns = number(random);
    if (unpack(at.word.load()).state == SlotState::ready && random() % 2 == 0) set(at, SlotState::running);
  }
  ring(grip);
}
void wild_results(const Grip& grip, Random& random) {
  for (int round = 0; round < kRounds; ++round) {
    for (std::byte& one : grip.out.first(std::min<std::size_t>(grip.out.size(), 4096))) one = static_cast<std::byte>(random());
    Slot& at = any_slot(grip, random);
    at.reply_place = Place::arena;
    at.reply_offset = random() % 4096;
    at.reply_bytes = random() % 4096;
    at.last_part = static_cast<LastPart>(random() % 3);
    at.reply_files = 0;
    at.progress.store(random() % 3 == 0 ? random() % 4 : 0);
    set(at, SlotState::done);
    ring(grip);
  }
}
void wild_bell(const Grip& grip, Random& random) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t much = random() % 2 == 0 ? UINT64_MAX - 1 : random();
    static_cast<void>(!::write(grip.doorbell, &much, sizeof much));
    ::usleep(50);
  }
}
// Has reading block, rings, and takes the ring back before the master can: one that goes to fetch it waits for ever.
void drained_bell(const Grip& grip, Random&) {
  ::fcntl(grip.doorbell, F_SETFL, 0);
  for (int round = 0; round < 100 * kRounds; ++round) {
    std::uint64_t rings = 1;
    const iovec part{&rings, sizeof rings};
    static_cast<void>(!::write(grip.doorbell, &rings, sizeof rings));
    static_cast<void>(!::preadv2(grip.doorbell, &part, 1, -1, RWF_NOWAIT));
  }
}
void cut_memory(const Grip& grip, Random& random) {
  for (const int fd : {grip.channel_fd, grip.out_fd, grip.in_fd}) {
    static_cast<void>(!::ftruncate(fd, static_cast<off_t>(random() % 4096)));
    static_cast<void>(!::ftruncate(fd, off_t{1} << 40));
    ::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
    ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, off_t{1} << 20);
  }
  ring(grip);
}
void strange_payloads(const Grip& grip, Random& random) {
  Slot& at = slot(grip, 0);
  const Strange strange = strange_file(random);
  send_files(grip, random() % 4, std::span(&strange.fd, 1));
  send_files(grip, unpack(at.word.load()).seq, std::span(&strange.fd, 1));
  at.reply_place = Place::memfd;
  at.reply_bytes = strange.bytes;
  at.last_part = LastPart::result;
  at.reply_files = 0;
  at.progress.store(0);
  set(at, SlotState::done);
  ring(grip);
}
void forbidden_writes(const Grip& grip, Random&) { try_to_write(grip.in_fd, grip.in); }

// ---- tricks over the control socket ----

void flooded_control(const Grip& grip, Random& random) {
  for (int round = 0; round < kRounds; ++round) {
    std::vector<int> files(random() % 12, grip.control);
    if (random() % 2 == 0) files.clear();
    send_raw(grip, garbage(random, random() % (2 * kMaxControlBytes)), files);
  }
  if (grip.doorbell < 0) return;
  Slot& at = slot(grip, 0);
  forge_reply(at, random);
  at.reply_place = Place::memfd;
  set(at, SlotState::done);
  ring(grip);
}

// ---- tricks over pipes ----

void write_all(int fd, const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t put = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (put <= 0) return;
    done += static_cast<std::size_t>(put);
  }
}
std::string frame(const std::string& message) { return to_wire(static_cast<std::uint32_t>(message.size())) + message; }
std::string told(PipeTag tag, std::uint64_t ticket) { return to_wire(static_cast<std::uint8_t>(tag)) + to_wire(ticket); }
std::string entered(std::uint64_t ticket) { return frame(told(PipeTag::entered, ticket) + to_wire(std::int64_t{1})); }

void wild_frames(const Grip& grip, Random& random) {
  for (int round = 0; round < kRounds; ++round) {
    const auto tag = static_cast<PipeTag>(random() % 5);
    write_all(grip.replies, frame(told(tag, random() % 3) + garbage(random, random() % 64)));
  }
}
// Each of them could be true, and there is no end to them.
void endless_progress(const Grip& grip, Random&) {
  write_all(grip.replies, entered(0));
  std::string many;
  for (int i = 0; i < 1000; ++i) many += frame(told(PipeTag::progress, 0) + to_wire(std::uint32_t{0}));
  for (;;) write_all(grip.replies, many);
}
// Forges packets that the master may take back.
void polluted_requests(const Grip& grip, Random& random) {
  const std::string path = "/proc/self/fd/" + std::to_string(grip.requests);
  const int fd = ::open(path.c_str(), O_WRONLY | O_NONBLOCK);
  ::fcntl(fd, F_SETFL, O_NONBLOCK | O_DIRECT);
  for (int round = 0; round < kRounds; ++round) write_all(fd, frame(to_wire(random() % 8) + garbage(random, random() % 200)));
  write_all(grip.replies, entered(0));
  ::usleep(20'000);
}
void long_claims(const Grip& grip, Random& random) {
  write_all(grip.replies, entered(0) + to_wire(static_cast<std::uint32_t>(random() % 2 == 0 ? 1U << 30 : UINT32_MAX)));
  write_all(grip.replies, garbage(random, 1U << 20));
}
void strange_spills(const Grip& grip, Random& random) {
  const Strange strange = strange_file(random);
  send_files(grip, 0, std::span(&strange.fd, 1));
  write_all(grip.replies, entered(0) + frame(told(PipeTag::reply, 0) + to_wire(std::int64_t{2}) + to_wire(std::uint32_t{0}) +
                                             to_wire(static_cast<std::uint16_t>(LastPart::result)) + to_wire(kOutSpilled) +
                                             to_wire(std::uint32_t{0}) + garbage(random, 100)));
}
void small_pipes(const Grip& grip, Random& random) {
  ::fcntl(grip.requests, F_SETPIPE_SZ, 4096);
  ::fcntl(grip.replies, F_SETPIPE_SZ, 4096);
  ::fcntl(grip.requests, F_SETFL, O_NONBLOCK);
  wild_frames(grip, random);
}

void no_word(const Grip&, Random&) { ::usleep(30'000); }
void death(const Grip&, Random&) { ::kill(::getpid(), SIGKILL); }

constexpr Trick kWithMemory[] = {
    {"wild_slots", wild_slots},
    {"wild_words", wild_words},
    {"false_replies", false_replies},
    {"false_progress", false_progress},
    {"wild_results", wild_results},
    {"wild_bell", wild_bell},
    {"drained_bell", drained_bell},
    {"cut_memory", cut_memory},
    {"strange_payloads", strange_payloads},
    {"forbidden_writes", forbidden_writes},
    {"flooded_control", flooded_control},
    {"no_word", no_word},
    {"death", death},
};
constexpr Trick kWithPipes[] = {
    {"wild_frames", wild_frames},
    {"endless_progress", endless_progress},
    {"polluted_requests", polluted_requests},
    {"long_claims", long_claims},
    {"strange_spills", strange_spills},
    {"small_pipes", small_pipes},
    {"flooded_control", flooded_control},
    {"no_word", no_word},
    {"death", death},
};

}  // namespace

std::span<const Trick> tricks_with_memory() { return kWithMemory; }
std::span<const Trick> tricks_with_pipes() { return kWithPipes; }

const Trick* find_trick(std::span<const Trick> tricks, std::string_view name) {
  const auto found = std::find_if(tricks.begin(), tricks.end(), [&](const Trick& trick) { return name == trick.name; });
  return found != tricks.end() ? &*found : nullptr;
}

Grip grip_of_this_process() {
  Grip grip;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string to = std::filesystem::read_symlink(entry.path(), gone).string();
    const int fd = std::stoi(entry.path().filename().string());
    if (to.starts_with("/memfd:runner-channel")) grip.channel_fd = fd;
    if (to.starts_with("/memfd:runner-in")) grip.in_fd = fd;
    if (to.starts_with("/memfd:runner-out")) grip.out_fd = fd;
    if (to.find("[eventfd]") != std::string::npos) grip.doorbell = fd;
    if (to.starts_with("socket:")) grip.control = fd;
  }
  map(grip);
  return grip;
}

void map(Grip& grip) {
  const auto mapped = [](int fd, int protection) -> std::span<std::byte> {
    struct stat info{};
    if (fd < 0 || ::fstat(fd, &info) != 0) return {};
    const auto bytes = static_cast<std::size_t>(info.st_size);
    void* const at = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return {};
    return {static_cast<std::byte*>(at), bytes};
  };
  grip.channel = mapped(grip.channel_fd, PROT_READ | PROT_WRITE);
  grip.out = mapped(grip.out_fd, PROT_READ | PROT_WRITE);
  grip.in = mapped(grip.in_fd, PROT_READ);
}

void try_to_write(int fd, std::span<const std::byte> mapped) {
  const auto breach_if = [](bool succeeded) {
    if (succeeded) ::_exit(kBreach);
  };
  struct stat before{}, after{};
  ::fstat(fd, &before);
  breach_if(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
  breach_if(::pwrite(fd, "x", 1, 0) > 0);
  breach_if(::ftruncate(fd, 1) == 0);
  breach_if(::ftruncate(fd, off_t{1} << 40) == 0);
  breach_if(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
  if (!mapped.empty()) {
    auto* const at = const_cast<std::byte*>(mapped.data());
    breach_if(::mprotect(at, 4096, PROT_READ | PROT_WRITE) == 0);
    breach_if(::madvise(at, 4096, MADV_REMOVE) == 0);
    // The door that debuggers use, which a private mapping would open.
    const int memory = ::open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    breach_if(memory >= 0 && ::pwrite(memory, "x", 1, reinterpret_cast<off_t>(at)) > 0);
    ::close(memory);
  }
  ::fstat(fd, &after);
  breach_if(before.st_size != after.st_size);
}

}  // namespace runner::chaos
