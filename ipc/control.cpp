#include "ipc/control.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "ipc/os.hpp"

namespace runner::ipc {

Result<std::pair<UniqueFd, UniqueFd>> control_pair() {
  int ends[2];
  if (os::call("socketpair", ::socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return os::failure("make a control socket", "socketpair");
  }
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> send_control(int socket, std::span<const std::byte> bytes, std::span<const int> files, bool wait) {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int) * kMaxControlFiles)];
  if (!files.empty()) {
    header.msg_control = ancillary;
    header.msg_controllen = CMSG_SPACE(files.size_bytes());
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(files.size_bytes());
    std::memcpy(CMSG_DATA(first), files.data(), files.size_bytes());
  }
  if (os::retry("sendmsg", ::sendmsg, socket, &header, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) < 0) {
    if (errno == EAGAIN)
      return fail(ErrorCode::system, "cannot send to a control socket: the other side reads nothing from it");
    if (errno == ETOOMANYREFS) {
      return fail(ErrorCode::exhausted, os::describe("send to a control socket", "sendmsg", ETOOMANYREFS));
    }
    return os::failure("send to a worker's control socket", "sendmsg");
  }
  return {};
}

bool hung_up(int socket) {
  pollfd one{socket, 0, 0};
  return os::retry("poll", ::poll, &one, nfds_t{1}, 0) == 1 && (one.revents & (POLLHUP | POLLERR)) != 0;
}

Result<Received> receive_control(int socket, ControlMessage& message, bool wait) {
  message.bytes.resize(kMaxControlBytes);
  message.files.clear();
  iovec part{message.bytes.data(), message.bytes.size()};
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int) * kMaxControlFiles)];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = ancillary;
  header.msg_controllen = sizeof ancillary;
  const auto receive = [&] {
    return os::retry("recvmsg", ::recvmsg, socket, &header, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  };
  ssize_t got = receive();
  // The other side left without having read all that we sent. That is told once, before what it had sent itself.
  if (got < 0 && errno == ECONNRESET) got = receive();
  if (got < 0) {
    if (errno == EAGAIN) return Received::nothing_there;
    if (errno == ECONNRESET) return Received::end_of_file;
    return os::failure("receive from a control socket", "recvmsg");
  }
  for (cmsghdr* next = CMSG_FIRSTHDR(&header); next != nullptr; next = CMSG_NXTHDR(&header, next)) {
    if (next->cmsg_level != SOL_SOCKET || next->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (next->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(next) + i * sizeof(int), sizeof fd);
      message.files.emplace_back(fd);
    }
  }
  // Cut off before there were as many as we have room for: they came, and were not let in.
  if ((header.msg_flags & MSG_CTRUNC) != 0 && message.files.size() < kMaxControlFiles) {
    return os::failure("receive files from a control socket", "recvmsg", EMFILE);
  }
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return fail(ErrorCode::protocol, "a control message is longer, or carries more files, than allowed");
  }
  if (got == 0 && message.files.empty()) return Received::end_of_file;
  message.bytes.resize(static_cast<std::size_t>(got));
  return Received::message;
}

}  // namespace runner::ipc
