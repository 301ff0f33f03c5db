// What must not compile against the installed headers, and the words that it is refused with (consumer.cmake): CASE says which.
#include <optional>
#include <runner/process_pool.hpp>
#include <string>
#include <string_view>

int plain(int x) { return x; }
std::size_t viewing(std::optional<std::string_view> text) { return text ? text->size() : 0; }

int main() {
  runner::ProcessPool pool({.procs = 1});
  [[maybe_unused]] const int here = 1;
#if CASE == 1
  auto future = pool.submit([here](int x) { return x + here; }, 1);
#elif CASE == 2
  auto future = pool.submit(plain, 1, 2);
#elif CASE == 3
  auto future = pool.submit(plain, std::string("one"));
#elif CASE == 4
  auto future = pool.submit(viewing, std::string_view("text"));
#else
  auto future = pool.submit(plain, 1);
#endif
  return future.get() == 1 ? 0 : 1;
}
