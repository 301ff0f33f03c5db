// call.hpp - any plain function of serializable arguments, called with arguments that came as bytes.
//
//   double price(const Option& option, double rate);
//
// A function has a trampoline, made by the compiler from its type: it reads the arguments of one item after another, calls, and
// writes the results. Function and trampoline are named to another process by their places in their modules
// (ipc/modules.hpp), so both must be loaded there too.
//
// Trivially copyable values cross as they lie in memory (both sides are one program); all others as cereal serializes them.
// Pointers and views are refused: what they refer to is not there in another process. A struct with a pointer in it is flat, and its
// pointer is worth nothing there.
//
// Called from  call_function: the thread that runs the items. The rest: any thread.
// Fails with   WireError from reading; whatever the function throws.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <ranges>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "runner/item_sink.hpp"
#include "runner/job_context.hpp"
#include "runner/wire.hpp"

namespace runner {

using AnyFunction = void (*)();

// What a trampoline is given.
struct CallItems {
  AnyFunction function = nullptr;
  std::uint32_t items = 1;
  ByteReader& args;  // of all items, one after another
  ItemSink& sink;
  JobContext& context;
};
using Trampoline = void (*)(CallItems& call);

// Whether a T only refers to something, which another process does not have.
template <class T>
inline constexpr bool kRefers = std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::ranges::view<T>;
template <class T>
inline constexpr bool kRefers<std::reference_wrapper<T>> = true;
template <class T, std::size_t N>
inline constexpr bool kRefers<std::array<T, N>> = kRefers<T>;
template <class T>
inline constexpr bool kRefers<std::optional<T>> = kRefers<T>;
template <class A, class B>
inline constexpr bool kRefers<std::pair<A, B>> = kRefers<A> || kRefers<B>;
template <class... T>
inline constexpr bool kRefers<std::tuple<T...>> = (... || kRefers<T>);
template <class... T>
inline constexpr bool kRefers<std::variant<T...>> = (... || kRefers<T>);

// Whether T crosses as it lies in memory. A truth value does not: another process could send one that is neither.
template <class T>
inline constexpr bool kIsFlat =
    std::is_trivially_copyable_v<T> && !kRefers<T> && !std::is_same_v<T, bool> && !std::is_empty_v<T>;

template <class T>
void write_item(ByteWriter& out, const T& value) {
  static_assert(
      !kRefers<T>,
      "a pointer, a view or a reference means nothing in another process: send what it refers to (a std::string instead "
      "of a std::string_view, a std::vector instead of a std::span)");
  if constexpr (kIsFlat<T>) {
    out.put(&value, sizeof value);
  } else {
    WireWriter archive(out);
    archive(value);
  }
}
template <class T>
void read_item(ByteReader& in, T& value) {
  static_assert(!kRefers<T>, "a pointer, a view or a reference means nothing in another process: send what it refers to");
  if constexpr (kIsFlat<T>) {
    in.get(&value, sizeof value);
  } else {
    value = T{};  // serialize may leave alone what it set for the item before
    WireReader archive(in);
    archive(value);
  }
}

template <class T>
class ItemContent final : public WireContent {
 public:
  explicit ItemContent(const T& value) : value_(value) {}
  void write(ByteWriter& out) const override { write_item(out, value_); }

 private:
  const T& value_;
};

// False: it did not fit, was taken as the last, and no item may follow.
template <class R>
[[nodiscard]] bool put_result(ItemSink& sink, const R& result) {
  if constexpr (kIsFlat<R>) {
    const std::span<std::byte> room = sink.room();
    if (room.size() >= sizeof result) {
      std::memcpy(room.data(), &result, sizeof result);
      sink.keep(sizeof result);
      return true;
    }
  } else {
    ByteWriter out(sink.room());
    write_item(out, result);
    if (out.fits()) {
      sink.keep(out.size());
      return true;
    }
  }
  sink.overflow(ItemContent<R>(result));
  return false;
}

// What is known of a function type. `Sent`: its arguments as values, without a JobContext& at the end.
template <class F>
struct CallTraits;
template <class R, class... A>
struct CallTraits<R (*)(A...)> {
  static_assert(
      (... &&
       (!std::is_lvalue_reference_v<A> || std::is_const_v<std::remove_reference_t<A>> || std::is_same_v<A, JobContext&>)),
      "what a function changes in its arguments would be changed in another process only: take them by value or as const&");
  static constexpr std::size_t kCount = sizeof...(A);
  static constexpr bool kTakesContext =
      kCount > 0 && std::is_same_v<std::tuple_element_t<kCount == 0 ? 0 : kCount - 1, std::tuple<A..., void>>, JobContext&>;

  template <std::size_t... I>
  static std::tuple<std::remove_cvref_t<std::tuple_element_t<I, std::tuple<A...>>>...> sent(std::index_sequence<I...>);
  using Returned = std::remove_cvref_t<R>;
  using Sent = decltype(sent(std::make_index_sequence<kCount - (kTakesContext ? 1 : 0)>()));

  template <std::size_t... I>
  static R call(R (*function)(A...), Sent& values, JobContext& context, std::index_sequence<I...>) {
    if constexpr (kTakesContext) {
      return function(static_cast<std::tuple_element_t<I, std::tuple<A...>>&&>(std::get<I>(values))..., context);
    } else {
      return function(static_cast<std::tuple_element_t<I, std::tuple<A...>>&&>(std::get<I>(values))...);
    }
  }
  static R call(R (*function)(A...), Sent& values, JobContext& context) {
    return call(function, values, context, std::make_index_sequence<std::tuple_size_v<Sent>>());
  }
};
template <class R, class... A>
struct CallTraits<R (*)(A...) noexcept> : CallTraits<R (*)(A...)> {};

// The trampoline of functions of type F.
template <class F>
void call_function(CallItems& call) {
  using Traits = CallTraits<F>;
  const F function = reinterpret_cast<F>(call.function);
  typename Traits::Sent sent{};
  for (std::uint32_t item = 0; item < call.items; ++item) {
    call.sink.enter(item);  // before its arguments are read: that too may run the user's code
    std::apply([&](auto&... values) { (read_item(call.args, values), ...); }, sent);
    if constexpr (std::is_void_v<typename Traits::Returned>) {
      Traits::call(function, sent, call.context);
    } else {
      if (!put_result(call.sink, Traits::call(function, sent, call.context))) return;
    }
  }
  call.sink.enter(call.items);
}

}  // namespace runner
