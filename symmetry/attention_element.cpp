// The group element between two attention modules whose heads are matched, by least squares.

#include <algorithm>
#include <cmath>

#include <Eigen/QR>
#include <Eigen/SVD>

#include "weft/core/difference.h"
#include "weft/core/parallel.h"
#include "weft/symmetry/internal/gauge.h"
#include "weft/symmetry/internal/heads.h"

namespace weft::equivalence {

std::optional<Gauge> gauge(const Matrix& from, const Matrix& to) {
  if (from.rows() < from.cols()) return {};
  const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(from);
  const Eigen::MatrixXd transposed = qr.solve(to);
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(transposed, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const auto& s = svd.singularValues();
  const double condition = s(0) / s(s.size() - 1);
  if (!(condition <= largest_condition)) return {};
  Gauge g;
  g.matrix = transposed.transpose();
  g.inverse = svd.matrixU() * s.cwiseInverse().asDiagonal() * svd.matrixV().transpose();
  g.condition = condition;
  return g;
}

namespace {

double relative(const Matrix& difference, const Matrix& expected) {
  const double d = difference.norm();
  if (d == 0) return 0;
  const double out = d / expected.norm();
  return std::isnan(out) ? INFINITY : out;  // what is no number is not near
}

}  // namespace

std::optional<AttentionElement> find_element(const AttentionModule& a, const AttentionModule& b,
                                             const std::vector<std::int32_t>& source, bool after_norm, double allowed) {
  const std::int64_t h = a.q.dim(0), D = a.q.dim(1), Dk = a.q.dim(2), Dv = a.v.dim(2);
  const Space space = attention_space(D, h, Dk, Dv);
  const Element identity = Element::identity(space);
  std::vector<ElementPart> parts(identity.parts().begin(), identity.parts().end());
  ElementPart &heads = parts[static_cast<std::size_t>(space.find_factor("h"))],
              &q = parts[static_cast<std::size_t>(space.find_factor("q"))],
              &v = parts[static_cast<std::size_t>(space.find_factor("v"))];
  heads.order = source;
  struct Found {
    bool invertible = false;
    double residual = 0, condition = 1;
  };
  std::vector<Found> found(source.size());
  parallel_blocks(h, 1 + 200000 / (D * (Dk * Dk + Dv * Dv)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t from = source[static_cast<std::size_t>(i)];
      auto old = [&](const Tensor& t, bool centred) { return matrix(t, from, centred); };
      const Matrix q_b = matrix(b.q, i, after_norm), v_b = matrix(b.v, i, after_norm);
      const auto M = gauge(old(a.q, after_norm), q_b), N = gauge(old(a.v, after_norm), v_b);
      if (!M || !N) continue;
      const Matrix k_b = matrix(b.k, i, after_norm), o_b = matrix(b.o, i);
      found[static_cast<std::size_t>(i)] = {true,
                                            std::max({relative(old(a.q, after_norm) * M->matrix.transpose() - q_b, q_b),
                                                      relative(old(a.k, after_norm) * M->inverse - k_b, k_b),
                                                      relative(old(a.v, after_norm) * N->matrix.transpose() - v_b, v_b),
                                                      relative(N->inverse.transpose() * old(a.o, false) - o_b, o_b)}),
                                            std::max(M->condition, N->condition)};
      for (const auto& [g, part] : {std::pair{&M, &q}, {&N, &v}}) {
        const std::int64_t size = (*g)->matrix.size();
        std::copy_n((*g)->matrix.data(), size, part->matrix.data() + from * size);
        std::copy_n((*g)->inverse.data(), size, part->inverse.data() + from * size);
      }
    }
  });
  double residual = 0, condition = 1;
  for (const Found& f : found) {
    if (!f.invertible) return {};
    residual = worse(residual, f.residual);
    condition = std::max(condition, f.condition);
  }
  if (!(residual <= allowed)) return {};
  return AttentionElement{Element(space, std::move(parts)), residual, condition};
}

}  // namespace weft::equivalence
