// docs/shm-layout.md is the byte table: its rows against the structs that both sides compile.
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <utility>

#include "ipc/inbound.hpp"
#include "ipc/layout.hpp"

namespace runner::ipc {
namespace {

using Row = std::pair<std::size_t, std::size_t>;  // offset, bytes

// The rows `| offset | bytes | `field...` of the section whose title begins so.
std::map<std::string, Row> rows_of(const std::string& title) {
  std::ifstream page(std::string(RUNNER_SOURCE_DIR) + "/docs/shm-layout.md");
  std::map<std::string, Row> rows;
  bool inside = false;
  const std::regex row(R"(\| (\d+) \| (\d+) \| `(\w+)(\[\w+\])?`.*)");
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) inside = line.starts_with("## " + title);
    std::smatch found;
    if (inside && std::regex_match(line, found, row)) rows[found[3]] = {std::stoul(found[1]), std::stoul(found[2])};
  }
  return rows;
}

#define RUNNER_ROW(type, field)                                \
  {                                                            \
    #field, Row { offsetof(type, field), sizeof(type::field) } \
  }

TEST(LayoutPage, HasEveryFieldOfASlotWhereItLies) {
  const std::map<std::string, Row> expected{
      RUNNER_ROW(Slot, word),           RUNNER_ROW(Slot, request_bytes), RUNNER_ROW(Slot, items),
      RUNNER_ROW(Slot, form),           RUNNER_ROW(Slot, request_place), RUNNER_ROW(Slot, request),
      RUNNER_ROW(Slot, request_offset), RUNNER_ROW(Slot, stream_room),   RUNNER_ROW(Slot, timed),
      RUNNER_ROW(Slot, progress),       RUNNER_ROW(Slot, started_ns),    RUNNER_ROW(Slot, finished_ns),
      RUNNER_ROW(Slot, reply_bytes),    RUNNER_ROW(Slot, reply_place),   RUNNER_ROW(Slot, last_part),
      RUNNER_ROW(Slot, reply_files),    RUNNER_ROW(Slot, reply),         RUNNER_ROW(Slot, reply_offset),
      RUNNER_ROW(Slot, stream_offset)};
  EXPECT_EQ(rows_of("2. A slot"), expected);
}

TEST(LayoutPage, HasEveryFieldOfTheChannelsHeaderWhereItLies) {
  const std::map<std::string, Row> expected{RUNNER_ROW(ChannelHeader, magic),       RUNNER_ROW(ChannelHeader, layout_hash),
                                            RUNNER_ROW(ChannelHeader, depth),       RUNNER_ROW(ChannelHeader, worker),
                                            RUNNER_ROW(ChannelHeader, incarnation), RUNNER_ROW(ChannelHeader, sleeping),
                                            RUNNER_ROW(ChannelHeader, closing)};
  EXPECT_EQ(rows_of("1. `chan`"), expected);
}

TEST(LayoutPage, HasEveryFieldOfTheStatePageWhereItLies) {
  const std::map<std::string, Row> expected{RUNNER_ROW(StatePage, asleep), RUNNER_ROW(StatePage, ring_from),
                                            RUNNER_ROW(StatePage, may_spin_ns)};
  EXPECT_EQ(rows_of("3. `in`"), expected);
  EXPECT_EQ(Inbound::arena_offset(), 16384U);
}

}  // namespace
}  // namespace runner::ipc
