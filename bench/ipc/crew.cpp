#include "bench/ipc/crew.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <utility>

#include "bench/ipc/payload.hpp"
#include "ipc/os.hpp"

namespace runner::bench {

namespace {

void complain(const char* text) { static_cast<void>(!::write(STDERR_FILENO, text, std::strlen(text))); }

void child_ended(int) {
  complain("bench_ipc: a child ended before it was told to\n");
  ::_exit(2);
}

void when_a_child_ends(void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  ::sigaction(SIGCHLD, &action, nullptr);
}

[[noreturn]] void live(Link& link, Answer answer, const Processors& processors, Placement placement, pid_t parent) {
  when_a_child_ends(SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(2);  // it died before we asked to die with it
  try {
    processors.bind_child(placement);
    const std::unique_ptr<End> end = link.child();
    for (;;) {
      const Message message = end->receive();
      if (answer == Answer::echo) {
        end->send(message);
      } else {
        const std::uint64_t receipt = receipt_of(message);
        end->send(std::as_bytes(std::span(&receipt, 1)));
      }
      end->flush();
    }
  } catch (const std::exception& broken) {
    complain("bench_ipc: in a child: ");
    complain(broken.what());
    complain("\n");
  }
  ::_exit(2);
}

}  // namespace

Result<Crew> Crew::start(const Mechanism& mechanism, Demand demand, Answer answer, const Processors& processors,
                         Placement placement) {
  demand.back = answer == Answer::echo ? demand.there : sizeof(std::uint64_t);
  Result<std::vector<std::unique_ptr<Link>>> links = mechanism.connect(demand);
  if (!links) return tl::unexpected(links.error());
  Crew crew(std::move(*links));
  when_a_child_ends(child_ended);
  const pid_t parent = ::getpid();
  for (const std::unique_ptr<Link>& link : crew.links_) {
    const pid_t child = ::fork();
    if (child < 0) return os::failure("start a child", "fork");
    if (child == 0) live(*link, answer, processors, placement, parent);
    crew.children_.push_back(child);
  }
  // Only now: an end of the parent may close what a later child would not have had.
  for (const std::unique_ptr<Link>& link : crew.links_) crew.ends_.push_back(link->parent());
  return crew;
}

Crew::~Crew() {
  if (children_.empty()) return;  // moved from: the children live on
  when_a_child_ends(SIG_DFL);
  for (const pid_t child : children_) ::kill(child, SIGKILL);
  for (const pid_t child : children_) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

}  // namespace runner::bench
