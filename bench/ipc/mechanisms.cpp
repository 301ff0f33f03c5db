#include "bench/ipc/mechanisms.hpp"

namespace runner::bench {

std::vector<std::unique_ptr<Mechanism>> all_mechanisms() {
  std::vector<std::unique_ptr<Mechanism>> all;
  for (const auto make : {make_cache_line, make_our_channel_spinning, make_our_channel_sleeping, make_futex, make_eventfd,
                          make_pipe, make_our_pipe, make_unix_socket, make_posix_mq, make_boost_queue}) {
    all.push_back(make());
  }
  return all;
}

}  // namespace runner::bench
