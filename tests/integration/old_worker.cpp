// A worker program of another build, as far as a master can see: it takes the hello and answers as one of those would. Which one
// is said by the variable OLD_WORKER.
#include <unistd.h>

#include <cstdlib>
#include <runner/version.hpp>
#include <runner/wire.hpp>
#include <string>

#include "ipc/control.hpp"
#include "ipc/hello.hpp"
#include "ipc/layout.hpp"

int main() {
  using namespace runner;
  constexpr int control = 3;
  const char* named = std::getenv("OLD_WORKER");
  const std::string which = named != nullptr ? named : "";
  ipc::ControlMessage message;
  if (!ipc::receive_control(control, message, true)) return 70;
  Result<void> sent;
  if (which == "version") {
    sent = ipc::send_ready(control, {"0.0.9", ipc::layout_hash(), ""});
  } else if (which == "layout") {
    sent = ipc::send_ready(control, {RUNNER_VERSION_STRING, ipc::layout_hash() ^ 1, ""});
  } else if (which == "refuses") {
    sent = ipc::send_ready(control, {"0.0.9", 7, "I do not know this master"});
  } else if (which == "form") {
    const std::string answer = "hllo" + to_wire(std::string("0.0.9")) + to_wire(std::uint64_t{7}) + "\xff\xff and so on";
    sent = ipc::send_control(control, as_bytes(answer), {});
  } else if (which == "stranger") {
    sent = ipc::send_control(control, as_bytes("220 ready for you"), {});
  } else {
    return 70;  // leaves without a word
  }
  ::sleep(sent ? 1000 : 0);  // until the master ends it
  return 0;
}
