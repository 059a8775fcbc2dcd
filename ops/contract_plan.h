#pragma once
// What the index text of a contraction says: which letter each axis has, the result's shape and its type.

#include <array>
#include <span>
#include <string_view>

#include "weft/autograd/tape.h"
#include "weft/ops/einsum.h"

namespace weft {

/// Labels of one tensor: its letters, as numbers.
struct Letters {
  int count = 0;
  std::array<int, Shape::max_rank> label{};
  std::span<const int> span() const { return {label.data(), static_cast<std::size_t>(count)}; }
  int find(int l) const {
    for (int i = 0; i < count; ++i)
      if (label[static_cast<std::size_t>(i)] == l) return i;
    return -1;
  }
};

struct ContractPlan {
  Letters part[4];  ///< a, b, bias, result
  std::array<std::int64_t, einsum_labels> size{};
  Shape shape;
  Type type;
};

inline constexpr int a_part = 0, b_part = 1, bias_part = 2, y_part = 3;

/// Of "nbi,noi+no->nbo": the letters alone. Throws ShapeError for a text that is none, or that has a bias when it
/// should not.
ContractPlan parse_contraction(std::string_view text, bool bias);

/// The whole plan for a, b and perhaps a bias. Throws ShapeError and DtypeError for inputs that do not fit the text,
/// TypeError where the rules (spec 1.5) refuse them.
ContractPlan plan_contraction(std::string_view text, std::span<const Var> inputs);

}  // namespace weft
