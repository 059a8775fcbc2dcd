#pragma once
// The bodies of core/loop.h as a range's.

#include "weft/cuda/range.h"

namespace weft::cuda::inline WEFT_ISA {

template <class Body>
WEFT_HD void run_at(const Body& body, std::int64_t i) {
  loop_at(body, i);
}

template <class Body>
struct LoopBody {
  static constexpr int width = 1;
  Body body;

  template <int N>
  WEFT_HD void at(std::int64_t i) const {
    run_at(body, i);
  }
};

}  // namespace weft::cuda::inline WEFT_ISA
