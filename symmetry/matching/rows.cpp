// Numbers of tensors as rows of matrices, long ones summed at random into short ones.

#include <algorithm>
#include <cmath>

#include "weft/symmetry/internal/matching.h"

namespace weft::equivalence {

RowLayout::RowLayout(const Shape& shape, const Axes& axes) {
  const int rank = shape.rank();
  const auto is = [](const std::vector<int>& list, int d) { return std::ranges::find(list, d - 2) != list.end(); };
  size_.assign(static_cast<std::size_t>(rank), 1);
  row_step_ = column_step_ = std::vector<std::int64_t>(static_cast<std::size_t>(rank), 0);
  const auto columns_of = [&](int d) {
    column_step_[static_cast<std::size_t>(d)] = columns;
    columns *= shape[d];
  };
  for (int d = 0; d < rank; ++d) {
    size_[static_cast<std::size_t>(d)] = shape[d];
    numel_ *= shape[d];
  }
  n = shape[2 + axes.rows];
  row_step_[static_cast<std::size_t>(2 + axes.rows)] = 1;
  if (axes.head >= 0) {
    copies = shape[2 + axes.head];
    row_step_[static_cast<std::size_t>(2 + axes.head)] = n;
  }
  for (int d = rank - 1; d >= 0; --d)
    if (is(axes.adjoining, d)) columns_of(d);
  adjoining = columns;
  for (int d = rank - 1; d >= 0; --d)
    if (d != 2 + axes.rows && !(axes.head >= 0 && d == 2 + axes.head) && !is(axes.adjoining, d) && !is(axes.summed, d))
      columns_of(d);
}

Matrix rows_of(const Tensor& feature, int t, const RowLayout& layout, std::int64_t most) {
  const double* x = feature.data<double>();
  Matrix out = Matrix::Zero(layout.copies * layout.n, std::min(most, layout.columns));
  if (layout.columns <= most) {
    layout.each([&](std::int64_t flat, std::int64_t row, std::int64_t column) { out(row, column) += x[flat]; });
    return out;
  }
  const RandomKey key = RandomKey(0, "equivalence columns").at(static_cast<std::uint64_t>(t));
  std::vector<std::int32_t> to(static_cast<std::size_t>(layout.columns));
  std::vector<double> sign(to.size());
  for (std::size_t c = 0; c < to.size(); ++c) {
    const std::int64_t draw = uniform_index(key, c, 2 * most);
    to[c] = static_cast<std::int32_t>(draw / 2);
    sign[c] = draw % 2 == 0 ? 1 : -1;
  }
  layout.each([&](std::int64_t flat, std::int64_t row, std::int64_t column) {
    const auto c = static_cast<std::size_t>(column);
    out(row, to[c]) += sign[c] * x[flat];
  });
  return out;
}

Piece piece(Matrix from, Matrix to, std::vector<FactorDegree> unknown) {
  const auto normalised = [](Matrix& rows) {
    Vector sizes(rows.rows());
    for (Eigen::Index i = 0; i < rows.rows(); ++i) {
      const double size = rows.row(i).stableNorm();
      sizes(i) = std::log(size);
      if (size > 0) rows.row(i) /= size;
    }
    return sizes;
  };
  Piece out{std::move(from), std::move(to), {}, {}, std::move(unknown), 1};
  out.size_from = normalised(out.from);
  out.size_to = normalised(out.to);
  return out;
}

}  // namespace weft::equivalence
