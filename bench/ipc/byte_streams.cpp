// Pipe and Unix stream socket: the kernel copies the bytes in and out, and wakes. Both are left as the kernel makes them (a
// pipe of 64 KiB); what is larger is written and read in pieces, whole on each side before the answer begins.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <runner/unique_fd.hpp>
#include <system_error>

#include "bench/ipc/mechanisms.hpp"

namespace runner::bench {
namespace {

class StreamEnd final : public End {
 public:
  StreamEnd(int in, int out, std::size_t incoming) : in_(in), out_(out), received_(incoming) {}

  void send(Message message) override {
    while (!message.empty()) {
      const ssize_t wrote = ::write(out_, message.data(), message.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) throw std::system_error(errno, std::generic_category(), "write");
      message = message.subspan(static_cast<std::size_t>(wrote));
    }
  }
  [[nodiscard]] Message receive() override {
    for (std::size_t have = 0; have < received_.size();) {
      const ssize_t got = ::read(in_, received_.data() + have, received_.size() - have);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw std::system_error(errno, std::generic_category(), "read");
      if (got == 0) throw std::runtime_error("the other side closed");
      have += static_cast<std::size_t>(got);
    }
    return received_;
  }

 private:
  int in_, out_;
  std::vector<std::byte> received_;
};

class StreamLink final : public Link {
 public:
  // Descriptors of a side: [0] read from, [1] written to; a socket is both.
  StreamLink(std::array<UniqueFd, 2> parent, std::array<UniqueFd, 2> child, const Demand& demand)
      : parent_(std::move(parent)), child_(std::move(child)), demand_(demand) {}
  [[nodiscard]] std::unique_ptr<End> parent() override { return take(parent_, child_, demand_.back); }
  [[nodiscard]] std::unique_ptr<End> child() override { return take(child_, parent_, demand_.there); }
  [[nodiscard]] std::size_t window() const override { return demand_.window; }

 private:
  static std::unique_ptr<End> take(std::array<UniqueFd, 2>& ours, std::array<UniqueFd, 2>& theirs, std::size_t incoming) {
    for (UniqueFd& fd : theirs) fd.reset();
    const int out = ours[1] ? ours[1].get() : ours[0].get();
    return std::make_unique<StreamEnd>(ours[0].get(), out, incoming);
  }
  std::array<UniqueFd, 2> parent_, child_;
  Demand demand_;
};

tl::unexpected<Error> refused(const char* call) {
  return fail(ErrorCode::system, std::string(call) + ": " + std::strerror(errno));
}

Result<std::unique_ptr<Link>> pipe_link(const Demand& demand) {
  int there[2], back[2];
  if (::pipe2(there, O_CLOEXEC) < 0) return refused("pipe2");
  UniqueFd there_read(there[0]), there_write(there[1]);
  if (::pipe2(back, O_CLOEXEC) < 0) return refused("pipe2");
  UniqueFd back_read(back[0]), back_write(back[1]);
  return std::make_unique<StreamLink>(std::array{std::move(back_read), std::move(there_write)},
                                      std::array{std::move(there_read), std::move(back_write)}, demand);
}

Result<std::unique_ptr<Link>> socket_link(const Demand& demand) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return refused("socketpair");
  return std::make_unique<StreamLink>(std::array{UniqueFd(ends[0]), UniqueFd()}, std::array{UniqueFd(ends[1]), UniqueFd()},
                                      demand);
}

class ByteStream final : public Mechanism {
 public:
  using Connect = Result<std::unique_ptr<Link>> (*)(const Demand&);
  ByteStream(const char* name, Connect connect_one) : name_(name), connect_one_(connect_one) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] Result<std::vector<std::unique_ptr<Link>>> connect(const Demand& demand) const override {
    std::vector<std::unique_ptr<Link>> links;
    for (std::size_t n = 0; n < demand.children; ++n) {
      Result<std::unique_ptr<Link>> link = connect_one_(demand);
      if (!link) return tl::unexpected(link.error());
      links.push_back(std::move(*link));
    }
    return links;
  }

 private:
  const char* name_;
  Connect connect_one_;
};

}  // namespace

std::unique_ptr<Mechanism> make_pipe() { return std::make_unique<ByteStream>("pipe", pipe_link); }
std::unique_ptr<Mechanism> make_unix_socket() { return std::make_unique<ByteStream>("Unix socket", socket_link); }

}  // namespace runner::bench
