// On which processors workers are bound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <numeric>

#include "master/engines/binding.hpp"
#include "tests/silence.hpp"

namespace runner::master {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Eight cores of two threads each; caches of four cores, a node of all. The second thread of core c is processor c + 8.
Topology large() {
  Topology machine;
  machine.allowed.resize(16);
  std::iota(machine.allowed.begin(), machine.allowed.end(), 0);
  for (int core = 0; core < 8; ++core) machine.cores.push_back({core, core + 8});
  machine.l3 = {{0, 1, 2, 3, 8, 9, 10, 11}, {4, 5, 6, 7, 12, 13, 14, 15}};
  machine.numa = {machine.allowed};
  return machine;
}

TEST(Binding, ToCoresGivesEachWorkerOneOfItsOwn) {
  const Placement placed = place(large(), {Bind::core, {}, 1}, 3);
  EXPECT_THAT(placed.seats, ElementsAre(Processors{0}, Processors{1}, Processors{2}));
  EXPECT_EQ(placed.text, "each bound to a core");
}

TEST(Binding, OfMoreWorkersThanCoresBindsNobody) {
  EXPECT_THAT(place(large(), {Bind::core, {}, 1}, 9).seats, IsEmpty());
  EXPECT_EQ(place(large(), {Bind::core, {}, 1}, 9).text, "not bound to cores");
  EXPECT_THAT(place(large(), {Bind::l3, {}, 1}, 17).seats, IsEmpty());
  EXPECT_THAT(place(BindOptions{}, 100'000).seats, IsEmpty());
}

TEST(Binding, OfJobsThatTakeSeveralProcessorsIsToNoSingleOne) {
  EXPECT_THAT(place(large(), {Bind::core, {}, 2}, 3).seats, IsEmpty());
  EXPECT_EQ(place(large(), {Bind::l3, {}, 8}, 1).seats.size(), 1U);
  EXPECT_EQ(place(large(), {Bind::l3, {}, 9}, 1).text, "not bound to L3 caches, a job takes more");
  EXPECT_THAT(place(large(), {Bind::list, {2, 3}, 2}, 1).seats, ElementsAre(Processors{2, 3}));
}

TEST(Binding, ToCachesAndNodesGoesRound) {
  const Topology machine = large();
  const Placement l3 = place(machine, {Bind::l3, {}, 1}, 3);
  EXPECT_THAT(l3.seats, ElementsAre(machine.l3[0], machine.l3[1], machine.l3[0]));
  EXPECT_EQ(l3.text, "each bound to one of 2 L3 caches");
  EXPECT_EQ(place(machine, {Bind::numa, {}, 1}, 3).text, "each bound to one of 1 NUMA node");
  Topology blind = machine;
  blind.l3.clear();
  EXPECT_EQ(place(blind, {Bind::l3, {}, 1}, 3).text, "not bound to L3 caches, none is known");
}

TEST(Binding, ToAListIsOneForEachOrAllForAll) {
  EXPECT_THAT(place(large(), {Bind::list, {3, 5, 6}, 1}, 2).seats, ElementsAre(Processors{3}, Processors{5}));
  const Placement shared = place(large(), {Bind::list, {3, 5, 6}, 1}, 4);
  EXPECT_THAT(shared.seats, ElementsAre(Processors{3, 5, 6}, Processors{3, 5, 6}, Processors{3, 5, 6}, Processors{3, 5, 6}));
  EXPECT_EQ(shared.text, "bound to processors 3,5,6");
}

TEST(Binding, ReadsListsAndWritesThem) {
  for (const char* text : {"0", "0,2,4-7", "1,2", "0-1023"}) EXPECT_EQ(text_of(*parse_processors(text)), text);
  EXPECT_EQ(*parse_processors("4,0-2,1"), (Processors{0, 1, 2, 4}));
  for (const char* text : {"", "cores", "1,", "-1", "3-1", "1-", "0,x", "1024", "99999999999"}) {
    EXPECT_THAT(parse_processors(text).error().text, HasSubstr("none of core, l3, numa, none, and no list")) << text;
  }
}

TEST(Binding, FindsOnlyProcessorsThatThisProcessMayUse) {
  const Silence silence;
  const Topology machine = read_topology();
  EXPECT_EQ(machine.allowed, allowed_processors());
  for (const auto* level : {&machine.cores, &machine.l3, &machine.numa}) {
    for (const Processors& part : *level) {
      EXPECT_FALSE(part.empty());
      EXPECT_TRUE(std::includes(machine.allowed.begin(), machine.allowed.end(), part.begin(), part.end()));
    }
  }
}

TEST(Binding, MovesAProcessToItsProcessor) {
  const Silence silence;
  const std::vector<Processors> plan = place({}, 1).seats;
  if (plan.empty()) GTEST_SKIP() << "the topology of this machine cannot be read";
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const Result<void> bound = bind_process(child, plan.front());
  EXPECT_TRUE(bound.has_value());
  cpu_set_t now;
  CPU_ZERO(&now);
  EXPECT_EQ(::sched_getaffinity(child, sizeof now, &now), 0);
  EXPECT_EQ(CPU_COUNT(&now), 1);
  EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(plan.front().front()), &now));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(bind_process(child, plan.front()).has_value()) << "there is no such process any more";
}

}  // namespace
}  // namespace runner::master
