// mechanisms.hpp - all that are compared, the fastest limit first.
//
// Fails with   cannot fail: whether the machine allows one shows when it connects.
#pragma once

#include <memory>
#include <vector>

#include "bench/ipc/mechanism.hpp"

namespace runner::bench {

[[nodiscard]] std::unique_ptr<Mechanism> make_cache_line();
[[nodiscard]] std::unique_ptr<Mechanism> make_our_channel_spinning();
[[nodiscard]] std::unique_ptr<Mechanism> make_our_channel_sleeping();
[[nodiscard]] std::unique_ptr<Mechanism> make_futex();
[[nodiscard]] std::unique_ptr<Mechanism> make_eventfd();
[[nodiscard]] std::unique_ptr<Mechanism> make_pipe();
[[nodiscard]] std::unique_ptr<Mechanism> make_our_pipe();
[[nodiscard]] std::unique_ptr<Mechanism> make_unix_socket();
[[nodiscard]] std::unique_ptr<Mechanism> make_posix_mq();
[[nodiscard]] std::unique_ptr<Mechanism> make_boost_queue();

// In the order of the rows.
[[nodiscard]] std::vector<std::unique_ptr<Mechanism>> all_mechanisms();

}  // namespace runner::bench
