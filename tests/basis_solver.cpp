#include "weft/tests/basis_solver.h"

#include <algorithm>
#include <sstream>

#include <Eigen/Dense>

#include "weft/core/difference.h"
#include "weft/core/error.h"
#include "weft/ops/act.h"
#include "weft/ops/terms.h"
#include "weft/tests/term_checks.h"

namespace weft::testing {
namespace {

using Matrix = Eigen::MatrixXd;

std::int64_t size_of(const Space& space, int tensor) { return space.feature_shape(tensor, 1, 1).numel(); }

/// The basis of a feature's space, as a batch.
Tensor unit_batch(const Space& space, int tensor) {
  const std::int64_t n = size_of(space, tensor);
  const Tensor x = Tensor::zeros(space.feature_shape(tensor, n, 1), DType::f64);
  for (std::int64_t i = 0; i < n; ++i) x.data<double>()[i * n + i] = 1;
  return x;
}

/// How g acts on one tensor; on the numbers (tensor -1) it does nothing.
Matrix action(const Element& g, int tensor) {
  if (tensor < 0) return Matrix::Identity(1, 1);
  const auto n = static_cast<Eigen::Index>(size_of(g.space(), tensor));
  const Tensor y = act(g, tensor, unit_batch(g.space(), tensor));
  return Eigen::Map<const Matrix>(y.data<double>(), n, n);  // item b of the batch is column b
}

/// x -> a x b as a matrix on x, column by column.
Matrix two_sided(const Matrix& a, const Matrix& b) {
  Matrix k(a.rows() * b.cols(), a.cols() * b.rows());
  for (Eigen::Index c = 0; c < b.cols(); ++c)
    for (Eigen::Index r = 0; r < b.rows(); ++r) k.block(c * a.rows(), r * a.cols(), a.rows(), a.cols()) = a * b(r, c);
  return k;
}

/// The number of eigenvalues of a positive matrix that are 0; between them and the others there must be a wide gap.
int nullity(const Matrix& gram) {
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(gram, Eigen::EigenvaluesOnly);
  const auto& values = solver.eigenvalues();
  int zeros = 0;
  for (double x : values) {
    if (x > 1e-10 && x < 1e-4) throw NumericError("[basis] an eigenvalue of {:.3g} is neither 0 nor far from it", x);
    zeros += x <= 1e-10;
  }
  return zeros;
}

/// What stands in copy 0 of a part stands in copy `to` then.
ElementPart in_copy(ElementPart part, std::int64_t to) {
  const auto swap = [&](auto& numbers) {
    const auto n = std::ssize(numbers) / part.copies;
    if (to > 0) std::swap_ranges(numbers.begin(), numbers.begin() + n, numbers.begin() + to * n);
  };
  swap(part.order);
  for (std::vector<double>* numbers : {&part.scale, &part.matrix, &part.inverse, &part.re, &part.im}) swap(*numbers);
  return part;
}

}  // namespace

std::vector<Element> generators(const Space& space) {
  std::vector<Element> out;
  const Element one = Element::identity(space);
  for (int f = 0; f < std::ssize(space.factors()); ++f) {
    const Factor& factor = space.factors()[static_cast<std::size_t>(f)];
    if (!factor.kind->moves()) continue;
    const int heads = space.heads(f);
    const bool carried = heads >= 0 && space.factors()[static_cast<std::size_t>(heads)].kind->moves();
    for (std::int64_t copy = 0; copy < (carried ? 1 : space.copies(f)); ++copy)
      for (const ElementPart& part : factor.kind->generators(one.part(f))) {
        std::vector<ElementPart> parts(one.parts().begin(), one.parts().end());
        parts[static_cast<std::size_t>(f)] = in_copy(part, copy);
        out.emplace_back(space, std::move(parts));
      }
  }
  return out;
}

int equivariant_dimension(const Space& in, int source, const Space& out, int target,
                          const std::vector<Element>& elements) {
  const std::int64_t n = size_of(out, target) * (source < 0 ? 1 : size_of(in, source));
  Matrix gram = Matrix::Zero(n, n);
  for (const Element& g : elements) {
    // T stays when g_out T g_in^-1 = T.
    const Matrix moved =
        two_sided(action(carried(g, out), target), action(g.inverse(), source)) - Matrix::Identity(n, n);
    gram += moved.transpose() * moved;
  }
  return nullity(gram);
}

DerivedMaps derived_maps(const std::string& terms, const Space& in, int source, const Space& out, int target,
                         const std::vector<Element>& elements) {
  const auto rows = static_cast<Eigen::Index>(size_of(out, target)),
             columns = static_cast<Eigen::Index>(source < 0 ? 1 : size_of(in, source));
  DerivedMaps result;
  std::vector<Matrix> maps;
  std::istringstream lines(terms);
  for (std::string line; std::getline(lines, line);) {
    const TermList list(in, out, line);
    const TermResolved& term = list.terms()[0];
    int reads = -1;
    for (const TermOperand& operand : term.operands)
      if (operand.source == OperandSource::feature) reads = operand.which;
    if (term.target != target || reads != source) continue;
    // One output channel for every entry of the parameter, and that entry alone is 1 there.
    const std::int64_t entries = list.parameters()[0].shape(1, 1).numel();
    const Tensor phi = Tensor::zeros(list.parameters()[0].shape(entries, 1), DType::f64);
    for (std::int64_t i = 0; i < entries; ++i) phi.data<double>()[i * entries + i] = 1;
    Arena arena;
    Tape tape(arena);
    std::vector<Var> x, y(out.tensors().size());
    for (int i = 0; i < static_cast<int>(in.tensors().size()); ++i) {
      const Tensor value = i == source ? unit_batch(in, i) : Tensor::zeros(in.feature_shape(i, columns, 1), DType::f64);
      x.push_back(tape.constant(value, in.type(i)));
    }
    const Var learned = tape.constant(phi);
    run_terms(list, x, {&learned, 1}, entries, y);
    const double* value = y[static_cast<std::size_t>(target)].value().data<double>();
    for (std::int64_t i = 0; i < entries; ++i) {
      maps.emplace_back(rows, columns);
      for (Eigen::Index b = 0; b < columns; ++b)
        maps.back().col(b) = Eigen::Map<const Eigen::VectorXd>(value + (b * entries + i) * rows, rows);
    }
  }
  result.count = static_cast<int>(maps.size());
  if (maps.empty()) return result;
  for (const Element& g : elements) {
    const Matrix left = action(carried(g, out), target), right = action(g, source);
    for (const Matrix& map : maps) result.error = worse(result.error, (left * map - map * right).norm());
  }
  Matrix all(rows * columns, result.count);
  for (Eigen::Index i = 0; i < result.count; ++i) all.col(i) = maps[static_cast<std::size_t>(i)].reshaped();
  result.rank = result.count - nullity(all.transpose() * all);
  return result;
}

}  // namespace weft::testing
