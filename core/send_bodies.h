#pragma once
// The body of core/send.h. Light: nvcc reads it.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {

/// Writes words that travel as the launch's arguments, of which CUDA takes 4 KiB.
struct Send {
  static constexpr const char* name = "send";
  static constexpr int most = 448;
  std::uint64_t* to;
  std::uint64_t word[most];
};

#define WEFT_SEND_LOOPS(X) X(Send)

inline namespace WEFT_ISA {

WEFT_HD void loop_at(const Send& send, std::int64_t i) { send.to[i] = send.word[i]; }

}  // namespace WEFT_ISA
}  // namespace weft
