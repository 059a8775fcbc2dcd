#pragma once
// The sum of what two ranks have: a body of core/loop.h.

#include <cstdint>

#include "weft/core/hd.h"

namespace weft {

/// to += from, each over its numbers.
template <class T>
struct AddRank {
  static constexpr const char* name = "add_rank";
  T* to;
  const T* from;
};

#define WEFT_RANK_SUM_LOOPS(X) \
  X(AddRank<float>)            \
  X(AddRank<double>)

inline namespace WEFT_ISA {

template <class T>
WEFT_HD void loop_at(const AddRank<T>& b, std::int64_t i) {
  b.to[i] += b.from[i];
}

}  // namespace WEFT_ISA
}  // namespace weft
