// Which places of a become which places of b: the assignment that costs least, whatever scales are still unknown.

#include <algorithm>
#include <cmath>
#include <map>

#include "weft/core/gemm.h"
#include "weft/core/parallel.h"
#include "weft/symmetry/assignment.h"
#include "weft/symmetry/internal/matching.h"

namespace weft::equivalence {
namespace {

using Pieces = std::vector<const Piece*>;

constexpr double uneven = 1e3;              // columns of such different sizes are looked at evenly, too
constexpr double weight_of_even = 1. / 16;  // small numbers may be noise
constexpr double weight_of_scalar = 1. / 4;
constexpr std::size_t most_signs = 6;  // beyond it signs of pieces are taken as independent

bool is_unknown(const Piece& p, int factor) {
  return std::ranges::any_of(p.unknown, [&](const FactorDegree& c) { return c.factor == factor; });
}

/// Without single numbers whose unknown scale stands nowhere else: they fit anything.
Pieces telling(Pieces pieces) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < pieces.size() && !changed; ++i) {
      if (!pieces[i]->scalar()) continue;
      for (const FactorDegree& c : pieces[i]->unknown)
        if (std::ranges::count_if(pieces, [&](const Piece* p) { return is_unknown(*p, c.factor); }) == 1)
          changed = true;
      if (changed) pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return pieces;
}

/// Rows of copy `copy` with columns of equal size; the sizes are b's, for both.
std::pair<Matrix, Matrix> evened(const Piece& p, std::int64_t copy, std::int64_t n, bool& needed) {
  Matrix from = p.from.middleRows(copy * n, n), to = p.to.middleRows(copy * n, n);
  const Eigen::RowVectorXd sizes = to.colwise().norm();
  double low = INFINITY, high = 0;
  for (const double s : sizes)
    if (s > 0) {
      low = std::min(low, s);
      high = std::max(high, s);
    }
  needed = high > uneven * low;
  for (Eigen::Index c = 0; c < sizes.size() && needed; ++c)
    if (sizes(c) > 0) {
      from.col(c) /= sizes(c);
      to.col(c) /= sizes(c);
    }
  return {std::move(from), std::move(to)};
}

class Costs {
 public:
  Costs(const MatchState& state, std::int64_t copy, std::int64_t n)
      : state_(state), copy_(copy), n_(n), cost_(Matrix::Zero(n, n)) {}

  std::vector<std::int32_t> best(const Pieces& pieces) {
    for (const Piece* p : pieces) add_directions(*p);
    subtract_likeness();
    add_sizes(pieces);
    return assign({cost_.data(), static_cast<std::size_t>(cost_.size())}, n_, n_).column_of_row;
  }

 private:
  /// Factors whose unknown signs multiply the piece.
  std::vector<int> signs_of(const Piece& p) const {
    std::map<int, int> degrees;
    for (const FactorDegree& c : p.unknown)
      if (state_.factor(c.factor).kind->has_signs()) degrees[c.factor] += c.degree;
    std::vector<int> out;
    for (const auto& [factor, degree] : degrees)
      if (degree % 2 != 0) out.push_back(factor);
    return out;
  }

  /// |x - y|^2 of the normalised rows is 1 + 1 - 2 x y; rows of zeros are 0.
  void add_directions(const Piece& p) {
    const double weight = p.weight * (p.scalar() ? weight_of_scalar : 1);
    Matrix& like = like_.try_emplace(signs_of(p), Matrix::Zero(n_, n_)).first->second;
    add_products(p.from.middleRows(copy_ * n_, n_), p.to.middleRows(copy_ * n_, n_), weight, like);
    if (p.scalar() || p.from.cols() > n_ + 256) return;
    bool needed = false;
    auto [from, to] = evened(p, copy_, n_, needed);
    if (!needed) return;
    from.rowwise().normalize();
    to.rowwise().normalize();
    add_products(from, to, weight * weight_of_even, like);
  }

  void add_products(const Matrix& from, const Matrix& to, double weight, Matrix& like) {
    const Matrix weighted = weight * to;
    gemm<double>({1, n_, n_, from.cols()}, {weighted.data(), 0, from.cols(), 1}, {from.data(), 0, 1, from.cols()}, 1.,
                 like.data(), 0, n_);
    const Vector of_to = weight * to.rowwise().squaredNorm(), of_from = weight * from.rowwise().squaredNorm();
    each_row([&](Eigen::Index i) {
      for (Eigen::Index j = 0; j < n_; ++j)
        // A row of zeros and another one are as far apart as any two.
        cost_(i, j) += of_to(i) + of_from(j) + ((of_to(i) > 0) != (of_from(j) > 0) ? weight : 0);
    });
  }

  template <class F>
  void each_row(const F& f) const {
    parallel_blocks(n_, 1 + 16384 / n_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) f(i);
    });
  }

  /// Of each pair the unknown signs are those that fit best.
  void subtract_likeness() {
    std::vector<int> factors;
    for (const auto& [signs, like] : like_)
      for (const int f : signs)
        if (std::ranges::find(factors, f) == factors.end()) factors.push_back(f);
    const bool independent = factors.size() > most_signs || like_.size() <= 2;
    const std::size_t patterns = independent ? 0 : std::size_t{1} << factors.size();
    std::vector<std::vector<double>> sign_of(patterns);
    for (std::size_t s = 0; s < patterns; ++s)
      for (const auto& [signs, like] : like_) {
        bool odd = false;
        for (const int f : signs) odd ^= s >> (std::ranges::find(factors, f) - factors.begin()) & 1;
        sign_of[s].push_back(odd ? -1 : 1);
      }
    each_row([&](Eigen::Index i) {
      for (Eigen::Index j = 0; j < n_; ++j) {
        double best = independent ? 0 : -INFINITY;
        if (independent)
          for (const auto& [signs, like] : like_) best += signs.empty() ? like(i, j) : std::abs(like(i, j));
        for (const std::vector<double>& pattern : sign_of) {
          double sum = 0;
          std::size_t k = 0;
          for (const auto& [signs, like] : like_) sum += pattern[k++] * like(i, j);
          best = std::max(best, sum);
        }
        cost_(i, j) -= 2 * best;
      }
    });
    like_.clear();
  }

  /// What of the rows' logarithmic sizes no unknown scale explains, as numbers of each row that are equal where rows
  /// become each other. Rows that are zero in other pieces are not compared.
  void add_sizes(const Pieces& pieces) {
    const auto count = static_cast<Eigen::Index>(pieces.size());
    Matrix features[2] = {Matrix::Zero(n_, count), Matrix::Zero(n_, count)};
    std::map<std::vector<char>, int> kinds;
    std::vector<int> kind_of[2];
    std::vector<Matrix> basis;
    for (int side = 0; side < 2; ++side)
      for (Eigen::Index i = 0; i < n_; ++i) {
        std::vector<char> there;
        Vector sizes(count);
        for (Eigen::Index p = 0; p < count; ++p) {
          const Piece& own = *pieces[static_cast<std::size_t>(p)];
          sizes(p) = (side == 0 ? own.size_from : own.size_to)(copy_ * n_ + i);
          there.push_back(std::isfinite(sizes(p)));
          if (!there.back()) sizes(p) = 0;
        }
        const auto [kind, added] = kinds.try_emplace(there, static_cast<int>(basis.size()));
        if (added) basis.push_back(unexplained(pieces, there));
        kind_of[side].push_back(kind->second);
        const Vector own = basis[static_cast<std::size_t>(kind->second)] * sizes;
        features[side].row(i).head(own.size()) = own.transpose();
      }
    Eigen::Index used = 0;
    for (const Matrix& b : basis) used = std::max(used, b.rows());
    if (used == 0) return;
    each_row([&](Eigen::Index i) {
      for (Eigen::Index j = 0; j < n_; ++j) {
        if (kind_of[1][static_cast<std::size_t>(i)] != kind_of[0][static_cast<std::size_t>(j)]) continue;
        for (Eigen::Index k = 0; k < used; ++k) {
          const double d = features[1](i, k) - features[0](j, k);
          cost_(i, j) += weight_of_scalar * std::min(d * d, 1.);
        }
      }
    });
  }

  /// An orthonormal basis, as rows, of what is at right angles to the degrees of unknown scales.
  Matrix unexplained(const Pieces& pieces, const std::vector<char>& there) const {
    std::map<int, Eigen::Index> column;
    for (const Piece* p : pieces)
      for (const FactorDegree& c : p->unknown)
        if (state_.factor(c.factor).kind->has_magnitudes())
          column.try_emplace(c.factor, static_cast<Eigen::Index>(column.size()));
    const auto count = static_cast<Eigen::Index>(pieces.size());
    Matrix degrees = Matrix::Zero(static_cast<Eigen::Index>(column.size()), count);
    for (Eigen::Index p = 0; p < count; ++p)
      for (const FactorDegree& c : pieces[static_cast<std::size_t>(p)]->unknown)
        if (there[static_cast<std::size_t>(p)] && column.contains(c.factor)) degrees(column[c.factor], p) += c.degree;
    // Gram and Schmidt, twice for rounding: first what is explained, then what is left of each piece.
    std::vector<Vector> basis;
    const auto take = [&](Vector v) {
      for (int pass = 0; pass < 2; ++pass)
        for (const Vector& b : basis) v -= b.dot(v) * b;
      if (const double size = v.norm(); size > 1e-6) basis.push_back(v / size);
    };
    for (Eigen::Index k = 0; k < degrees.rows(); ++k) take(degrees.row(k).transpose());
    const std::size_t explained = basis.size();
    for (Eigen::Index p = 0; p < count; ++p)
      if (there[static_cast<std::size_t>(p)]) take(Vector::Unit(count, p));
    Matrix out(static_cast<Eigen::Index>(basis.size() - explained), count);
    for (Eigen::Index k = 0; k < out.rows(); ++k)
      out.row(k) = basis[explained + static_cast<std::size_t>(k)].transpose();
    return out;
  }

  const MatchState& state_;
  const std::int64_t copy_, n_;
  Matrix cost_;
  std::map<std::vector<int>, Matrix> like_;  ///< by the factors of unknown sign: weighted products of rows
};

}  // namespace

std::vector<std::int32_t> matched_order(const MatchState& state, const std::vector<const Piece*>& pieces,
                                        std::int64_t copy, std::int64_t n) {
  return Costs(state, copy, n).best(telling(pieces));
}

}  // namespace weft::equivalence
