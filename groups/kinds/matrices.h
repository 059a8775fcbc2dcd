#pragma once
// Dense matrices of elements, row-major n x n. Small: sizes of attention heads.

#include <span>

#include "weft/core/random.h"
#include "weft/groups/element.h"

namespace weft::kind_tables {

/// Rows orthonormal: a normal matrix, orthogonalised row by row.
void random_orthogonal(std::span<double> q, std::int64_t n, RandomKey key);

/// c = a b
void multiply(std::span<const double> a, std::span<const double> b, std::span<double> c, std::int64_t n);

/// Where entry e of a row of n x n matrices stands in their transposes.
inline std::size_t transposed(std::size_t e, std::size_t n) { return e / (n * n) * n * n + e % n * n + e / n % n; }

/// Copy `copy` of a part's matrices.
std::span<double> copy_of(std::vector<double>& matrices, const ElementPart& part, std::int64_t copy);

}  // namespace weft::kind_tables
