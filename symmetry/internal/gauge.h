#pragma once
// An element of GL between two factors of a product, by least squares.

#include <optional>

#include "weft/symmetry/internal/heads.h"

namespace weft::equivalence {

/// g and its inverse, n x n.
struct Gauge {
  Matrix matrix, inverse;
  double condition = 1;
};

/// Beyond it g times its inverse is no identity in float64 any more.
inline constexpr double largest_condition = 1e7;

/// The g of least squares in `from` g^T = `to`, both [m, n]; none if it is not invertible.
std::optional<Gauge> gauge(const Matrix& from, const Matrix& to);

}  // namespace weft::equivalence
