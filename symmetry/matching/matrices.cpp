// Matrices of factors that mix entries: general ones by least squares, orthogonal ones by Procrustes, pairs by complex
// least squares.

#include <algorithm>
#include <cmath>
#include <complex>

#include <Eigen/LU>

#include "weft/core/gemm.h"
#include "weft/symmetry/internal/gauge.h"
#include "weft/symmetry/internal/matching.h"

namespace weft::equivalence {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// What a factor acts on, each tensor relative to its size.
struct Sides {
  Matrix from[2], to[2];  ///< by role, vectors or covectors: [copies n, columns]
  Matrix product;         ///< instead of them for orthogonal matrices: the sum of to from^T by copy, [copies n, n]
};

class MatrixFactor {
 public:
  MatrixFactor(const MatchState& state, int factor) : state_(state), factor_(factor), n_(state.factor(factor).size) {
    for (int t = 0; t < state.tensors(); ++t)
      for (int i = 0; i < std::ssize(state.axes(t)); ++i)
        if (state.axis(t, i).factor == factor && usable(t, i)) add(t, i);
  }

  /// Fills in the copies that are told, and says whether all of them are.
  bool solve(ElementPart& part) const {
    bool all = true;
    for (std::int64_t k = 0; k < part.copies; ++k) {
      const FactorKind kind = state_.factor(factor_).kind;
      if (kind->self_dual) {
        all &= sides_.product.size() > 0 && solve_orthogonal(sides_.product.middleRows(k * n_, n_), k, part);
        continue;
      }
      Matrix from[2], to[2];
      for (int role = 0; role < 2; ++role)
        if (sides_.from[role].size() > 0) {
          from[role] = sides_.from[role].middleRows(k * n_, n_);
          to[role] = sides_.to[role].middleRows(k * n_, n_);
        }
      all &= kind->has_pairs() ? solve_pairs(from, to, k, part) : solve_general(from, to, k, part);
    }
    return all;
  }

 private:
  bool usable(int t, int i) const {
    for (int j = 0; j < std::ssize(state_.axes(t)); ++j)
      if (j != i && !state_.known(t, j) && !(state_.refining && state_.axis(t, j).factor == factor_)) return false;
    return true;
  }

  void add(int t, int i) {
    const RowLayout layout(state_.space().feature_shape(t, 1, 1), {i, state_.space().head_of(t, i), {}, {}});
    Matrix from, to;
    of_both([&] { from = rows_of(state_.image(t), t, layout, 8 * n_); },
            [&] { to = rows_of(state_.target(t), t, layout, 8 * n_); });
    const double size = std::max(from.norm(), to.norm());
    if (!(size > 0)) return;
    from /= size;
    to /= size;
    if (state_.factor(factor_).kind->self_dual) return add_product(from, to);
    const int role = state_.axis(t, i).role == AxisRole::vector ? 0 : 1;
    append(sides_.from[role], from);
    append(sides_.to[role], to);
  }

  void add_product(const Matrix& from, const Matrix& to) {
    if (sides_.product.size() == 0) sides_.product = Matrix::Zero(from.rows(), n_);
    const std::int64_t columns = from.cols(), copy = n_ * columns;
    gemm<double>({from.rows() / n_, n_, n_, columns}, {to.data(), copy, columns, 1}, {from.data(), copy, 1, columns},
                 1., sides_.product.data(), n_ * n_, n_);
  }

  static void append(Matrix& rows, const Matrix& more) {
    Matrix joined(more.rows(), rows.cols() + more.cols());
    if (rows.size() > 0) joined.leftCols(rows.cols()) = rows;
    joined.rightCols(more.cols()) = more;
    rows = std::move(joined);
  }

  static double misfit(const Matrix& g, const Matrix& from, const Matrix& to) {
    return from.size() == 0 ? 0 : (g * from - to).squaredNorm();
  }

  /// to = g from of vectors, g^T to = from of covectors: whichever leaves less of both.
  bool solve_general(const Matrix* from, const Matrix* to, std::int64_t copy, ElementPart& part) const {
    std::optional<Gauge> best;
    double least = INFINITY;
    for (int role = 0; role < 2; ++role) {
      if (from[role].cols() < n_) continue;
      std::optional<Gauge> own = gauge(from[role].transpose(), to[role].transpose());
      if (!own) continue;
      if (role == 1) {
        const Matrix dual = own->matrix;
        own->matrix = own->inverse.transpose();
        own->inverse = dual.transpose();
      }
      const double left = misfit(own->matrix, from[0], to[0]) + misfit(own->inverse.transpose(), from[1], to[1]);
      if (left < least) {
        least = left;
        best = std::move(own);
      }
    }
    if (!best) return false;
    std::copy_n(best->matrix.data(), n_ * n_, part.matrix.data() + copy * n_ * n_);
    std::copy_n(best->inverse.data(), n_ * n_, part.inverse.data() + copy * n_ * n_);
    return true;
  }

  /// The orthogonal matrix nearest to `product`, the sum of to from^T (Procrustes): its polar factor, by Newton's
  /// iteration.
  bool solve_orthogonal(const Eigen::MatrixXd& product, std::int64_t copy, ElementPart& part) const {
    const double size = product.norm();
    // What nothing tells of stays as it is.
    Eigen::MatrixXd g = product / size + 1e-13 * Eigen::MatrixXd::Identity(n_, n_);
    const double worst = g.partialPivLu().inverse().norm();
    for (int step = 0; step < 100; ++step) {
      const Eigen::MatrixXd dual = g.partialPivLu().inverse().transpose();
      const double by = std::sqrt(dual.norm() / g.norm());
      const Eigen::MatrixXd next = (by * g + dual / by) / 2;
      const double change = (next - g).norm();
      g = next;
      if (!(change > 1e-14 * g.norm())) break;
    }
    if (!((g * g.transpose() - Eigen::MatrixXd::Identity(n_, n_)).norm() < 1e-8)) return false;
    const Matrix matrix = g, inverse = g.transpose();
    std::copy_n(matrix.data(), n_ * n_, part.matrix.data() + copy * n_ * n_);
    std::copy_n(inverse.data(), n_ * n_, part.inverse.data() + copy * n_ * n_);
    return worst < 1e11;
  }

  bool solve_pairs(const Matrix* from, const Matrix* to, std::int64_t copy, ElementPart& part) const {
    const bool halves = state_.factor(factor_).kind->mixing == Mixing::halves;
    bool all = true;
    for (std::int64_t p = 0; p < n_ / 2; ++p) {
      const std::int64_t re = halves ? p : 2 * p, im = halves ? p + n_ / 2 : 2 * p + 1;
      std::complex<double> best = 0;
      double least = INFINITY;
      for (int role = 0; role < 2; ++role) {
        if (from[role].size() == 0) continue;
        std::complex<double> product = 0;
        double squares = 0, squares_to = 0;
        for (Eigen::Index c = 0; c < from[role].cols(); ++c) {
          const std::complex<double> x(from[role](re, c), from[role](im, c)), y(to[role](re, c), to[role](im, c));
          product += std::conj(x) * y;
          squares += std::norm(x);
          squares_to += std::norm(y);
        }
        if (!(std::abs(product) > 0)) continue;
        const std::complex<double> by = product / squares;
        const double left = 1 - std::norm(product) / squares / squares_to;  // of 1
        if (left < least) {
          least = left;
          best = role == 0 ? by : 1. / std::conj(by);
        }
      }
      if (!(std::isfinite(least) && std::abs(best) > 0)) {
        all = false;
        continue;
      }
      part.re[at(copy * n_ / 2 + p)] = best.real();
      part.im[at(copy * n_ / 2 + p)] = best.imag();
    }
    return all;
  }

  const MatchState& state_;
  const int factor_;
  const std::int64_t n_;
  Sides sides_;
};

/// ||g|| ||g^-1|| of the worst copy.
double condition(const ElementPart& part) {
  double out = 1;
  const std::int64_t n = part.size;
  for (std::int64_t k = 0; k < part.copies && !part.matrix.empty() && !part.kind->self_dual; ++k)
    out = std::max(out, Eigen::Map<const Vector>(part.matrix.data() + k * n * n, n * n).norm() *
                            Eigen::Map<const Vector>(part.inverse.data() + k * n * n, n * n).norm());
  return out;
}

}  // namespace

bool solve_matrices(MatchState& state, Evidence evidence) {
  std::vector<ElementPart> step = state.nothing();
  std::vector<int> found;
  for (int f = 0; f < state.factors(); ++f) {
    const int heads = state.space().heads(f);
    if (state.matrix[at(f)] || (heads >= 0 && !state.order[at(heads)])) continue;
    ElementPart part = step[at(f)];
    if (!MatrixFactor(state, f).solve(part) && evidence == Evidence::direct) continue;
    step[at(f)] = std::move(part);
    found.push_back(f);
  }
  if (found.empty()) return false;
  for (const int f : found) state.matrix[at(f)] = true;
  state.apply(std::move(step));
  return true;
}

void solve_again(MatchState& state, int factor) {
  std::vector<ElementPart> step = state.nothing();
  MatrixFactor(state, factor).solve(step[at(factor)]);
  if (condition(step[at(factor)]) * condition(state.element().part(factor)) > largest_condition) {
    // Their product times its inverse would be no identity: what was found from wrong data is mended from the start.
    state.forget_matrix(factor);
    step = state.nothing();
    MatrixFactor(state, factor).solve(step[at(factor)]);
  }
  state.apply(std::move(step));
}

}  // namespace weft::equivalence
