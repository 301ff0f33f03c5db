// A worker program that lies. Worker 0 greets as it should, takes a request and plays a trick with all it was given; the others are
// honest. RUNNER_TRICK names the trick, or all of them take turns; RUNNER_SEED is where its random numbers begin. With the trick
// "leave" every worker greets, and leaves without having taken anything.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <runner/registry.hpp>
#include <runner/version.hpp>
#include <string>
#include <utility>

#include "ipc/control.hpp"
#include "ipc/hello.hpp"
#include "ipc/layout.hpp"
#include "tests/chaos/liar.hpp"
#include "worker/serve.hpp"

namespace runner::chaos {
namespace {

std::string setting(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool leaves() { return setting("RUNNER_TRICK") == "leave"; }

// Looks at the hello without taking it.
ipc::Hello peek(int control) {
  ipc::ControlMessage message;
  message.bytes.resize(ipc::kMaxControlBytes);
  const ssize_t got = ::recv(control, message.bytes.data(), message.bytes.size(), MSG_PEEK);
  if (got <= 0) ::_exit(70);
  message.bytes.resize(static_cast<std::size_t>(got));
  const Result<ipc::Hello> hello = ipc::read_hello(message);
  if (!hello) ::_exit(70);
  return *hello;
}

// Waits for a request and enters it, so that there is somebody to be charged. False: the master wants no more.
bool take_request(const Grip& grip) {
  if (grip.requests >= 0) {
    std::byte packet[4096];
    return ::read(grip.requests, packet, sizeof packet) > 0;
  }
  ipc::Slot& slot = ipc::slot_of(grip.channel.data(), 1, 0);
  for (;;) {
    std::uint64_t ready = ipc::pack({0, ipc::SlotState::ready});
    if (slot.word.compare_exchange_strong(ready, ipc::pack({0, ipc::SlotState::running}))) return true;
    if (ipc::channel_header(grip.channel.data()).closing.load() != 0) return false;
    ::usleep(100);
  }
}

int lie(int control, const ipc::Hello& hello) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ipc::ControlMessage message;
  if (!ipc::receive_control(control, message, true)) return 70;
  const auto take = [&](std::size_t i) { return i < message.files.size() ? message.files[i].release() : -1; };
  Grip grip;
  grip.control = control;
  if (hello.transport == ipc::Transport::shm) {
    grip.channel_fd = take(0);
    grip.in_fd = take(1);
    grip.out_fd = take(2);
    grip.doorbell = take(3);
    map(grip);
  } else {
    grip.requests = take(0);
    grip.replies = take(1);
  }
  if (hello.shared != 0) {
    if (!ipc::receive_control(control, message, true)) return 70;
    grip.shared_file = take(0);
  }
  if (!ipc::send_ready(control, {RUNNER_VERSION_STRING, ipc::layout_hash(), {}})) return 70;
  if (leaves() || !take_request(grip)) return 0;

  Random random(static_cast<std::uint64_t>(std::atoll(setting("RUNNER_SEED").c_str())) + hello.incarnation);
  const std::span<const Trick> tricks = grip.requests >= 0 ? tricks_with_pipes() : tricks_with_memory();
  const Trick* trick = find_trick(tricks, setting("RUNNER_TRICK"));
  if (trick == nullptr) trick = &tricks[random() % tricks.size()];
  trick->play(grip, random);
  if (grip.shared_file >= 0) try_to_write(grip.shared_file, {});
  if (random() % 2 == 0) ::kill(::getpid(), SIGKILL);
  return 3;
}

}  // namespace
}  // namespace runner::chaos

int main() {
  constexpr int control = 3;
  ::fcntl(control, F_SETFD, FD_CLOEXEC);
  const runner::ipc::Hello hello = runner::chaos::peek(control);
  if (hello.worker == 0 || runner::chaos::leaves()) return runner::chaos::lie(control, hello);
  runner::Registry registry;
  return runner::worker::serve(runner::UniqueFd(control), registry, nullptr);
}
