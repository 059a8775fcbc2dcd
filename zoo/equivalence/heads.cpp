#include "weft/zoo/equivalence/heads.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "weft/core/error.h"
#include "weft/core/gemm.h"

namespace weft::equivalence {
namespace {

constexpr std::int64_t block_rows = 128;
constexpr Eigen::Index sketch_size = 8;
constexpr double vanishing = 1e-150;  // squares below it leave float64

void check_shapes(const AttentionModule& m, const char* name) {
  const struct {
    const char* name;
    const Tensor& tensor;
  } tensors[] = {{"WQ", m.q}, {"WK", m.k}, {"WV", m.v}, {"WO", m.o}};
  for (const auto& [tensor, t] : tensors) {
    if (t.rank() != 3 || t.numel() == 0)
      throw ShapeError("[equivalence] {} of module {} has shape {}; allowed: three axes, none of them empty", tensor,
                       name, t.shape().str());
    if (t.dtype() != DType::f32 && t.dtype() != DType::f64)
      throw DtypeError("[equivalence] {} of module {} is {}; allowed: float32, float64", tensor, name,
                       weft::name(t.dtype()));
  }
  const std::int64_t h = m.q.dim(0), D = m.q.dim(1), Dv = m.v.dim(2);
  const std::pair<const Tensor&, Shape> wanted[] = {{m.k, m.q.shape()}, {m.v, {h, D, Dv}}, {m.o, {h, Dv, D}}};
  for (std::size_t i = 0; i < 3; ++i)
    if (wanted[i].first.shape() != wanted[i].second)
      throw ShapeError("[equivalence] {} of module {} has shape {}; allowed beside WQ {}: {}", tensors[i + 1].name,
                       name, wanted[i].first.shape().str(), m.q.shape().str(), wanted[i].second.str());
}

Product product(Matrix left, Matrix right, double noise, const char* what, const char* name) {
  Product p{std::move(left), std::move(right), 0, noise};
  p.norm = norm(p.left, p.right);
  if (!std::isfinite(p.norm) || !std::isfinite(noise))
    throw NumericError("[equivalence] {} of module {} is not finite, or so large that products leave float64", what,
                       name);
  if (p.norm < vanishing) p.norm = 0;
  return p;
}

/// Random projections of every A to 8 x 8: norms of differences survive to within a small factor.
std::vector<Matrix> sketches(const std::vector<Head>& heads) {
  const Eigen::Index D = heads.front().qk.left.rows();
  const Tensor draw = Tensor::zeros({2, D, sketch_size}, DType::f64);
  fill_normal(draw, Key(0, "equivalence sketch"));
  const Matrix left = matrix(draw, 0), right = matrix(draw, 1);
  std::vector<Matrix> out;
  for (const Head& h : heads) out.push_back((left.transpose() * h.qk.left) * (h.qk.right * right));
  return out;
}

std::size_t root(std::vector<std::size_t>& parent, std::size_t i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

}  // namespace

Matrix matrix(const Tensor& t, std::int64_t i, bool centred) {
  const Tensor wide = t[i].to(DType::f64);
  Matrix m = Eigen::Map<const Matrix>(wide.data<double>(), wide.dim(0), wide.dim(1));
  if (centred) m.rowwise() -= Eigen::RowVectorXd(m.colwise().mean());
  return m;
}

double norm(const Matrix& left, const Matrix& right) {
  const std::int64_t rows = left.rows(), k = left.cols(), columns = right.cols();
  Matrix block(std::min(block_rows, rows), columns);
  double squares = 0;
  for (std::int64_t begin = 0; begin < rows; begin += block_rows) {
    const std::int64_t n = std::min(block_rows, rows - begin);
    gemm<double>({1, n, columns, k}, {left.data() + begin * k, 0, k, 1}, {right.data(), 0, columns, 1}, 0.,
                 block.data(), 0, columns);
    squares += block.topRows(n).squaredNorm();
  }
  return std::sqrt(squares);
}

Product sum(const std::vector<Term>& terms) {
  Eigen::Index k = 0;
  for (const Term& t : terms) k += t.product->left.cols();
  const Eigen::Index D = terms.front().product->left.rows();
  Product out{Matrix(D, k), Matrix(k, D), 0, 0};
  k = 0;
  for (const auto& [sign, p] : terms) {
    out.left.middleCols(k, p->left.cols()) = sign * p->left;
    out.right.middleRows(k, p->right.rows()) = p->right;
    k += p->left.cols();
    out.noise += p->noise;
  }
  out.norm = terms.size() == 1 ? terms.front().product->norm : norm(out.left, out.right);
  return out;
}

std::vector<Head> heads_of(const AttentionModule& m, const char* name, bool after_norm) {
  check_shapes(m, name);
  std::vector<Head> heads;
  const double scale = 1 / std::sqrt(static_cast<double>(m.q.dim(2)));
  for (std::int64_t i = 0; i < m.q.dim(0); ++i) {
    const Matrix q = matrix(m.q, i) * scale, k = matrix(m.k, i), v = matrix(m.v, i), o = matrix(m.o, i);
    const double qk = q.norm() * k.norm(), vo = v.norm() * o.norm();
    if (after_norm)
      heads.push_back({product(matrix(m.q, i, true) * scale, matrix(m.k, i, true).transpose(), qk, "WQ WK^T", name),
                       product(matrix(m.v, i, true), o, vo, "WV WO", name)});
    else
      heads.push_back({product(q, k.transpose(), qk, "WQ WK^T", name), product(v, o, vo, "WV WO", name)});
  }
  return heads;
}

std::vector<Group> group_heads(const std::vector<Head>& heads, std::size_t heads_of_a,
                               const AttentionEquivalenceOptions& o) {
  const std::vector<Matrix> sketch = sketches(heads);
  std::vector<std::size_t> parent(heads.size());
  std::iota(parent.begin(), parent.end(), 0u);
  for (std::size_t i = 0; i < heads.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      if (root(parent, i) == root(parent, j)) continue;
      const Product &p = heads[i].qk, &q = heads[j].qk;
      const double bound = o.tolerance * std::max(p.norm, q.norm) + 64 * o.rounding * std::max(p.noise, q.noise);
      if ((sketch[i] - sketch[j]).norm() > 10 * static_cast<double>(sketch_size) * bound) continue;
      if (sum({{1, &p}, {-1, &q}}).norm <= bound) parent[root(parent, i)] = root(parent, j);
    }
  std::vector<Group> groups;
  for (std::size_t r = 0; r < heads.size(); ++r) {
    if (root(parent, r) != r) continue;
    Group g;
    std::vector<Term> terms;
    double largest = 0;
    for (std::size_t i = 0; i < heads.size(); ++i) {
      if (root(parent, i) != r) continue;
      g.heads.push_back(i);
      terms.push_back({i < heads_of_a ? 1. : -1., &heads[i].vo});
      largest = std::max(largest, heads[i].vo.norm);
    }
    g.difference = sum(terms);
    g.differs = g.difference.norm > o.tolerance * largest + 64 * o.rounding * g.difference.noise;
    groups.push_back(std::move(g));
  }
  return groups;
}

}  // namespace weft::equivalence
