// A function called for one item after another, as a worker calls it: what is told of each item, and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <runner/call.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace runner {
namespace {

using testing::ElementsAre;

// Remembers what it was told.
class Told final : public ItemSink {
 public:
  Told() { room_ = bytes_; }
  void overflow(const WireContent&) override { overflowed = true; }
  [[nodiscard]] std::uint64_t kept() const { return used_; }

  std::vector<std::uint32_t> entered;
  bool overflowed = false;

 private:
  void tell() override { entered.push_back(item_); }
  std::array<std::byte, 64> bytes_{};
};

std::uint64_t twice(std::uint64_t number) { return 2 * number; }

// An argument that refuses to be read when it is bad.
struct Choosy {
  std::string name;
  template <class A>
  void save(A& a) const {
    a(name);
  }
  template <class A>
  void load(A& a) {
    a(name);
    if (name == "bad") throw std::runtime_error("this is no argument");
  }
};
std::uint64_t one(const Choosy&) { return 1; }

template <class F, class Argument>
void call_all(F function, const std::vector<Argument>& arguments, Told& told) {
  std::array<std::byte, 256> bytes;
  ByteWriter out(bytes);
  for (const Argument& argument : arguments) write_item(out, argument);
  ByteReader in(std::span<const std::byte>(bytes).first(out.size()));
  JobContext context;
  CallItems items{reinterpret_cast<AnyFunction>(function), static_cast<std::uint32_t>(arguments.size()), in, told, context};
  call_function<F>(items);
}

TEST(ACall, TellsEachItemItEntersAndThatAllAreFinished) {
  Told told;
  call_all(&twice, std::vector<std::uint64_t>{1, 2, 3}, told);
  EXPECT_THAT(told.entered, ElementsAre(0U, 1U, 2U, 3U));
  EXPECT_EQ(told.kept(), 3 * sizeof(std::uint64_t));
}

TEST(ACall, EndsAtTheItemWhoseResultFindsNoRoom) {
  Told told;
  call_all(&twice, std::vector<std::uint64_t>(12), told);
  EXPECT_TRUE(told.overflowed);
  EXPECT_EQ(told.item(), 8U);
}

TEST(ACall, BlamesTheItemWhoseArgumentsCannotBeReadNotTheOneBefore) {
  Told told;
  EXPECT_THROW(call_all(&one, std::vector<Choosy>{{"good"}, {"good"}, {"bad"}, {"good"}}, told), std::runtime_error);
  EXPECT_EQ(told.item(), 2U);
  EXPECT_EQ(told.kept(), 2 * sizeof(std::uint64_t)) << "the results of both before it are told with it";
}

}  // namespace
}  // namespace runner
