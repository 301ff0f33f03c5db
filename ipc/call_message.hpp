// call_message.hpp - the bytes of a request that calls a function (Form::call): which one, then the arguments of its items.
//
// Called from  both sides, on the thread that owns the connection.
// Fails with   protocol: too short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <runner/result.hpp>
#include <runner/wire.hpp>
#include "ipc/modules.hpp"

namespace runner::ipc {

struct CallHeader {
  FunctionName trampoline = 0;  // call.hpp
  FunctionName function = 0;
};

inline void write_call_header(ByteWriter& out, const CallHeader& header) {
  out.put(&header.trampoline, sizeof header.trampoline);
  out.put(&header.function, sizeof header.function);
}

struct CallRequest {
  CallHeader header;
  std::span<const std::byte> args;
};
[[nodiscard]] inline Result<CallRequest> read_call(std::span<const std::byte> bytes) {
  CallRequest call;
  if (bytes.size() < 2 * sizeof(FunctionName)) return fail(ErrorCode::protocol, "a call is shorter than its header");
  ByteReader in(bytes);
  in.get(&call.header.trampoline, sizeof call.header.trampoline);
  in.get(&call.header.function, sizeof call.header.function);
  call.args = in.view(in.left());
  return call;
}

}  // namespace runner::ipc
