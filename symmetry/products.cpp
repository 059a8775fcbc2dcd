#include "weft/symmetry/products.h"

#include <algorithm>
#include <vector>

#include "weft/core/error.h"
#include "weft/ops/act.h"
#include "weft/symmetry/internal/gauge.h"

namespace weft {
namespace {

using equivalence::Matrix;

/// Tensors from the one that reads the input to the one that writes the output, and the factors between them.
struct Chain {
  std::vector<int> tensors, factors;
};

/// The position of a tensor's axis under GL in a role; -1 where there is none, -2 for two.
int moved_axis(const Space& space, int tensor, AxisRole role) {
  const auto& axes = space.tensors()[static_cast<std::size_t>(tensor)].axes;
  int found = -1;
  for (int i = 0; i < static_cast<int>(axes.size()); ++i) {
    const SpaceAxis& axis = axes[static_cast<std::size_t>(i)];
    if (space.factors()[static_cast<std::size_t>(axis.factor)].kind->moves() && axis.role == role)
      found = found == -1 ? i : -2;
  }
  return found;
}

int factor_of(const Space& space, int tensor, int axis) {
  return space.tensors()[static_cast<std::size_t>(tensor)].axes[static_cast<std::size_t>(axis)].factor;
}

/// The chains; none if the space is no set of them.
std::vector<Chain> chains_of(const Space& space) {
  const auto& factors = space.factors();
  const int tensors = static_cast<int>(space.tensors().size());
  std::vector<int> reader(factors.size(), -1), writer(factors.size(), -1);  // of a factor: covector and vector
  std::vector<Chain> chains;
  for (int t = 0; t < tensors; ++t) {
    const SpaceTensor& tensor = space.tensors()[static_cast<std::size_t>(t)];
    const int in = moved_axis(space, t, AxisRole::covector), out = moved_axis(space, t, AxisRole::vector);
    if (tensor.taps() != 1 || in == -2 || out == -2) return {};
    if (in >= 0 && out >= 0 && tensor.axes.size() != 2) return {};
    for (const SpaceAxis& axis : tensor.axes)
      if (!axis.characters.empty()) return {};
    if (in >= 0 && std::exchange(reader[static_cast<std::size_t>(factor_of(space, t, in))], t) >= 0) return {};
    if (out >= 0 && std::exchange(writer[static_cast<std::size_t>(factor_of(space, t, out))], t) >= 0) return {};
    if (in < 0) chains.push_back({{t}, {}});
  }
  std::size_t linked = 0;
  for (std::size_t f = 0; f < factors.size(); ++f) {
    const Factor& factor = factors[f];
    if (!factor.kind->moves()) continue;
    const bool general = factor.kind->mixing == Mixing::matrix && !factor.kind->self_dual && factor.per.empty();
    if (!general || reader[f] < 0 || writer[f] < 0) return {};
    ++linked;
  }
  for (Chain& chain : chains)
    for (int out = moved_axis(space, chain.tensors[0], AxisRole::vector); out >= 0;
         out = moved_axis(space, chain.tensors.back(), AxisRole::vector)) {
      chain.factors.push_back(factor_of(space, chain.tensors.back(), out));
      chain.tensors.push_back(reader[static_cast<std::size_t>(chain.factors.back())]);
      --linked;
    }
  // Factors that no chain has reached close a ring.
  const bool any = std::ranges::any_of(chains, [](const Chain& c) { return !c.factors.empty(); });
  return any && linked == 0 ? chains : std::vector<Chain>{};
}

/// A feature of one network as a matrix whose rows are the axis `row`, columns all others in their order.
Matrix by_axis(const Tensor& feature, int row) {
  const Tensor x = feature.to(DType::f64);
  const int axis = row + 2;
  const std::int64_t n = x.dim(axis), inner = x.shape().sub(axis + 1, x.rank()).numel(),
                     outer = x.numel() / (n * inner);
  Matrix m(n, outer * inner);
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t k = 0; k < inner; ++k) m(i, o * inner + k) = x.data<double>()[(o * n + i) * inner + k];
  return m;
}

/// A tensor of a chain as the matrix that it is in the product; the first one's columns, the last one's rows are fixed.
Matrix matrix_of(const Space& space, int tensor, std::span<const Tensor> weights) {
  const Tensor& w = weights[static_cast<std::size_t>(tensor)];
  if (const int out = moved_axis(space, tensor, AxisRole::vector); out >= 0) return by_axis(w, out);
  return by_axis(w, moved_axis(space, tensor, AxisRole::covector)).transpose();
}

/// left right = the chain's product, left the last tensor: [m, k] [k, n].
equivalence::Product product_of(const Space& space, const Chain& chain, std::span<const Tensor> weights) {
  equivalence::Product p;
  if (chain.factors.empty()) {  // a tensor that nothing moves
    const Matrix all = by_axis(weights[static_cast<std::size_t>(chain.tensors[0])], 0);
    p.left = Matrix::Identity(1, 1);
    p.right = Eigen::Map<const Matrix>(all.data(), 1, all.size());
    p.norm = all.norm();
    return p;
  }
  p.right = matrix_of(space, chain.tensors[0], weights);
  for (std::size_t i = 1; i + 1 < chain.tensors.size(); ++i)
    p.right = matrix_of(space, chain.tensors[i], weights) * p.right;
  p.left = matrix_of(space, chain.tensors.back(), weights);
  p.norm = equivalence::norm(p.left, p.right);
  return p;
}

Tensor tensor_of(const Matrix& m) {
  return Tensor::from<double>({m.data(), static_cast<std::size_t>(m.size())}, {m.rows(), m.cols()});
}

NetworkWitness witness_of(const equivalence::Product& a, const equivalence::Product& b) {
  constexpr std::int64_t items = 8;
  Matrix x(items, a.right.cols());
  for (Eigen::Index i = 0; i < x.size(); ++i)
    x.data()[i] = normal(RandomKey(0, "equivalence input"), static_cast<std::uint64_t>(i));
  const auto applied = [&](const equivalence::Product& p) -> Matrix {
    return (x * p.right.transpose()) * p.left.transpose();
  };
  const Matrix y_a = applied(a), y_b = applied(b);
  return {tensor_of(x), tensor_of(y_a), tensor_of(y_b), (y_a - y_b).norm() / std::max(y_a.norm(), y_b.norm())};
}

/// Factor by factor from the input on, by least squares; none where a matrix is not invertible, or where a and b are
/// further apart than `tolerance` then.
std::optional<NetworkElement> element_between(const Space& space, const std::vector<Chain>& chains,
                                              std::span<const Tensor> a, std::span<const Tensor> b, double tolerance) {
  const Element identity = Element::identity(space);
  std::vector<ElementPart> parts(identity.parts().begin(), identity.parts().end());
  for (const Chain& chain : chains) {
    Matrix inverse;  // of the factor before: what a's tensor takes in is moved by it
    for (std::size_t i = 0; i < chain.factors.size(); ++i) {
      Matrix from = matrix_of(space, chain.tensors[i], a);
      if (i > 0) from = from * inverse;
      const auto g = equivalence::gauge(from.transpose(), matrix_of(space, chain.tensors[i], b).transpose());
      if (!g) return {};
      inverse = g->inverse;
      ElementPart& part = parts[static_cast<std::size_t>(chain.factors[i])];
      std::copy_n(g->matrix.data(), g->matrix.size(), part.matrix.begin());
      std::copy_n(g->inverse.data(), g->inverse.size(), part.inverse.begin());
    }
  }
  NetworkElement found{Element(space, parts), 0};
  const std::vector<Tensor> image = act(found.element, a);
  for (std::size_t t = 0; t < image.size(); ++t) {
    const Matrix got = by_axis(image[t], 0), wanted = by_axis(b[t], 0);
    const double size = std::max(got.norm(), wanted.norm());
    found.of_tensors.push_back(size > 0 ? (got - wanted).norm() / wanted.norm() : 0);
    if (size > 0) found.residual = std::max(found.residual, (got - wanted).norm() / size);
  }
  if (!(found.residual <= tolerance)) return {};
  return found;
}

}  // namespace

bool is_products(const Space& space) { return !chains_of(space).empty(); }

NetworkEquivalence compare_products(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b,
                                    double tolerance) {
  const std::vector<Chain> chains = chains_of(space);
  if (chains.empty()) throw UsageError("[equivalence] space '{}' is no chain of products under GL", space.str());
  NetworkEquivalence out;
  double worst = 0;
  for (const Chain& chain : chains) {
    const equivalence::Product p = product_of(space, chain, a), q = product_of(space, chain, b);
    const double size = std::max(p.norm, q.norm);
    if (!(size > 0)) continue;
    const equivalence::Product difference = equivalence::stacked({{1, &p}, {-1, &q}});
    const double distance = equivalence::norm(difference.left, difference.right) / size;
    if (distance <= worst) continue;
    worst = distance;
    if (distance > decision_gap * tolerance) out.witness = witness_of(p, q);
  }
  if (worst <= tolerance) {
    out.decision = Decision::same;
    out.element = element_between(space, chains, a, b, decision_gap * tolerance);
  } else if (out.witness) {
    out.decision = Decision::different;
  }
  return out;
}

}  // namespace weft
