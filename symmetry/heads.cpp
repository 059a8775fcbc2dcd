#include "weft/symmetry/internal/heads.h"

#include <algorithm>
#include <cmath>

#include "weft/core/error.h"
#include "weft/core/gemm.h"
#include "weft/core/parallel.h"

namespace weft::equivalence {
namespace {

constexpr std::int64_t block_rows = 128;
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

}  // namespace

std::int64_t grain(std::int64_t D, std::int64_t k) { return 1 + 200000 / (D * D * k); }

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
  const Product& first = *terms.front().product;
  Product out{Matrix(first.left.rows(), k), Matrix(k, first.right.cols()), 0, 0};
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

}  // namespace weft::equivalence
