#include "weft/zoo/equivalence/internal/heads.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "weft/core/error.h"
#include "weft/core/gemm.h"
#include "weft/core/parallel.h"

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

void check_norms(const Product& p, const char* what, const char* name) {
  if (!std::isfinite(p.norm) || !std::isfinite(p.noise))
    throw NumericError("[equivalence] {} of module {} is not finite, or so large that products leave float64", what,
                       name);
}

/// How many products [D, k] [k, D] one thread takes at a time.
std::int64_t grain(std::int64_t D, std::int64_t k) { return 1 + 200000 / (D * D * k); }

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
    gemm_serial<double>({1, n, columns, k}, {left.data() + begin * k, 0, k, 1}, {right.data(), 0, columns, 1}, 0.,
                        block.data(), 0, columns);
    squares += block.topRows(n).squaredNorm();
  }
  const double out = std::sqrt(squares);
  return out < vanishing ? 0 : out;
}

Product stacked(const std::vector<Term>& terms) {
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
  return out;
}

Product sum(const std::vector<Term>& terms) {
  Product out = stacked(terms);
  out.norm = terms.size() == 1 ? terms.front().product->norm : norm(out.left, out.right);
  return out;
}

std::vector<Head> heads_of(const AttentionModule& m, const char* name, bool after_norm) {
  check_shapes(m, name);
  const std::int64_t h = m.q.dim(0), D = m.q.dim(1), Dk = m.q.dim(2);
  std::vector<Head> heads(static_cast<std::size_t>(h));
  parallel_blocks(h, grain(D, Dk + m.v.dim(2)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Head& head = heads[static_cast<std::size_t>(i)];
      const double scale = 1 / std::sqrt(static_cast<double>(Dk));
      head.qk = {scale * matrix(m.q, i), matrix(m.k, i).transpose(), 0, 0};
      head.vo = {matrix(m.v, i), matrix(m.o, i), 0, 0};
      for (Product* p : {&head.qk, &head.vo}) {
        p->noise = p->left.norm() * p->right.norm();
        if (after_norm) p->left.rowwise() -= Eigen::RowVectorXd(p->left.colwise().mean());
      }
      if (after_norm) head.qk.right.colwise() -= Vector(head.qk.right.rowwise().mean());
      for (Product* p : {&head.qk, &head.vo}) p->norm = norm(p->left, p->right);
    }
  });
  for (const Head& head : heads) {
    check_norms(head.qk, "WQ WK^T", name);
    check_norms(head.vo, "WV WO", name);
  }
  return heads;
}

namespace {

/// The root of every head's tree: heads of equal A have one.
std::vector<std::size_t> roots(const std::vector<Head>& heads, const AttentionEquivalenceOptions& o) {
  struct Pair {
    std::size_t i, j;
    double bound;
    bool equal;
  };
  const std::vector<Matrix> sketch = sketches(heads);
  std::vector<Pair> close;
  for (std::size_t i = 0; i < heads.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const Product &p = heads[i].qk, &q = heads[j].qk;
      const double bound = o.tolerance * std::max(p.norm, q.norm) + 64 * o.rounding * std::max(p.noise, q.noise);
      if ((sketch[i] - sketch[j]).norm() <= 10 * static_cast<double>(sketch_size) * bound)
        close.push_back({i, j, bound, false});
    }
  const Matrix& left = heads.front().qk.left;
  parallel_blocks(static_cast<std::int64_t>(close.size()), grain(left.rows(), 2 * left.cols()),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t n = begin; n < end; ++n) {
                      Pair& p = close[static_cast<std::size_t>(n)];
                      p.equal = sum({{1, &heads[p.i].qk}, {-1, &heads[p.j].qk}}).norm <= p.bound;
                    }
                  });
  std::vector<std::size_t> parent(heads.size());
  std::iota(parent.begin(), parent.end(), 0u);
  for (const Pair& p : close)
    if (p.equal) parent[root(parent, p.i)] = root(parent, p.j);
  for (std::size_t i = 0; i < parent.size(); ++i) parent[i] = root(parent, i);
  return parent;
}

}  // namespace

std::vector<Group> group_heads(const std::vector<Head>& heads, std::size_t heads_of_a,
                               const AttentionEquivalenceOptions& o) {
  const std::vector<std::size_t> root_of = roots(heads, o);
  std::vector<Group> groups;
  for (std::size_t r = 0; r < heads.size(); ++r) {
    Group g;
    for (std::size_t i = 0; i < heads.size(); ++i)
      if (root_of[i] == r) g.heads.push_back(i);
    if (!g.heads.empty()) groups.push_back(std::move(g));
  }
  const Matrix& left = heads.front().vo.left;
  parallel_blocks(static_cast<std::int64_t>(groups.size()), grain(left.rows(), 2 * left.cols()),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t n = begin; n < end; ++n) {
                      Group& g = groups[static_cast<std::size_t>(n)];
                      std::vector<Term> terms;
                      double largest = 0;
                      for (const std::size_t i : g.heads) {
                        terms.push_back({i < heads_of_a ? 1. : -1., &heads[i].vo});
                        largest = std::max(largest, heads[i].vo.norm);
                      }
                      g.difference = sum(terms);
                      g.differs = g.difference.norm > o.tolerance * largest + 64 * o.rounding * g.difference.noise;
                    }
                  });
  return groups;
}

}  // namespace weft::equivalence
