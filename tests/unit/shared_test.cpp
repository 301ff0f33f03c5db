// What a job sees of what is shared: its names, its sorts, and what is said when it asks for another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <runner/job_context.hpp>
#include <runner/shared.hpp>
#include <stdexcept>
#include <string>

namespace runner {
namespace {

template <class Ask>
std::string refusal(Ask&& ask) {
  try {
    static_cast<void>(ask());
    return "no error";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

class SharedTest : public testing::Test {
 protected:
  SharedTest() {
    shared_.add("genome", std::span<const std::byte>(text_));
    shared_.add("grid", std::span<std::byte>(grid_));
    shared_.add("hits", &hits_);
    shared_.add("total", &total_);
  }
  std::array<std::byte, 3> text_{std::byte{1}, std::byte{2}, std::byte{3}};
  std::array<std::byte, 8> grid_{};
  SharedCount hits_{4}, total_{-3};
  Shared shared_;
};

TEST_F(SharedTest, IsTheMemoryItselfAndNoCopy) {
  EXPECT_EQ(shared_.bytes("genome").data(), text_.data());
  EXPECT_EQ(shared_.bytes("genome").size(), 3U);
  EXPECT_EQ(shared_.writable("grid").data(), grid_.data());
  EXPECT_EQ(shared_.bytes("grid").data(), grid_.data()) << "a region can be read, too";
  EXPECT_EQ(&shared_.counter("hits"), &hits_);
}

TEST_F(SharedTest, ListsWhatThereIsForANameThatIsNotThere) {
  EXPECT_EQ(
      refusal([&] { return shared_.bytes("genom"); }),
      "this batch shares nothing called `genom` (did you mean `genome`?); shared are: genome (a file), grid (writable bytes), "
      "hits (a counter), total (a counter)");
  EXPECT_EQ(refusal([] { return Shared::none().bytes("x"); }),
            "this batch shares nothing called `x`; it has no `shared:` section");
}

TEST_F(SharedTest, RefusesAnotherSortThanAskedFor) {
  using testing::StartsWith;
  EXPECT_THAT(refusal([&] { return shared_.writable("genome"); }),
              StartsWith("the shared `genome` is a file, but the job needs writable bytes; shared are: "));
  EXPECT_THAT(refusal([&] { return shared_.counter("grid").load(); }),
              StartsWith("the shared `grid` is writable bytes, but the job needs a counter; "));
  EXPECT_THAT(refusal([&] { return shared_.bytes("hits"); }),
              StartsWith("the shared `hits` is a counter, but the job needs a file or bytes; "));
}

TEST_F(SharedTest, TellsItsCountersInOrder) {
  ++hits_;
  const std::vector<Shared::Count> counts = shared_.counts();
  ASSERT_EQ(counts.size(), 2U);
  EXPECT_EQ(counts[0].name, "hits");
  EXPECT_EQ(counts[0].value, 5);
  EXPECT_EQ(counts[1].value, -3);
}

TEST_F(SharedTest, ReachesAJobThroughItsContextAndIsEmptyByDefault) {
  const JobContext context(JobId{1}, Attempt{1}, {}, &shared_);
  EXPECT_EQ(&context.shared(), &shared_);
  EXPECT_TRUE(JobContext().shared().counts().empty());
}

TEST(SharedName, IsAWord) {
  for (const char* name : {"a", "hits", "A-b_c.9", "0"}) EXPECT_TRUE(is_shared_name(name)) << name;
  EXPECT_TRUE(is_shared_name(std::string(64, 'x')));
  for (const char* name : {"", " ", "a b", "ä", "a/b", "a\n", "${{x}}"}) EXPECT_FALSE(is_shared_name(name)) << name;
  EXPECT_FALSE(is_shared_name(std::string(65, 'x')));
}

}  // namespace
}  // namespace runner
