// The group element between two networks of one space, factor by factor.

#include <algorithm>
#include <cmath>
#include <string>

#include "weft/ops/act.h"
#include "weft/symmetry/assignment.h"
#include "weft/symmetry/internal/gauge.h"
#include "weft/symmetry/internal/units.h"
#include "weft/symmetry/network.h"

namespace weft {
namespace {

using equivalence::head_slice;
using equivalence::head_tensors;
using equivalence::HeadTensor;
using equivalence::Matrix;
using equivalence::Vector;

constexpr std::int64_t sketch_size = 8;

class Matching {
 public:
  Matching(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b)
      : space_(space), identity_(Element::identity(space)) {
    for (const Tensor& t : a) a_.push_back(t.to(DType::f64));
    for (const Tensor& t : b) b_.push_back(t.to(DType::f64));
    image_ = a_;
    parts_.assign(identity_.parts().begin(), identity_.parts().end());
    for (const Factor& f : space.factors()) known_.push_back(!f.kind->moves());
  }

  std::optional<NetworkElement> run() {
    if (!has_scheme()) return {};
    for (int f = next(); f >= 0; f = next()) {
      if (!(carries_copies(f) ? match_heads(f) : match_units(f))) return {};
      known_[at(f)] = true;
      for (int g = 0; g < factors(); ++g)
        if (factor(g).per == factor(f).name) known_[at(g)] = true;
      const Element so_far(space_, parts_);
      for (int t = 0; t < static_cast<int>(a_.size()); ++t) image_[at(t)] = act(so_far, t, a_[at(t)]);
    }
    return NetworkElement{Element(space_, parts_), equivalence::unit_distance(space_, image_, b_)};
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  int factors() const { return static_cast<int>(space_.factors().size()); }
  const Factor& factor(int f) const { return space_.factors()[at(f)]; }
  const std::vector<SpaceAxis>& axes(int t) const { return space_.tensors()[at(t)].axes; }

  /// Orders, scales of one sort and general matrices are looked for, on axes of degree 1 and -1.
  bool has_scheme() const {
    const auto plain = [](const Factor& f) {
      return f.along.empty() && f.kind->scales != Scales::any && !f.kind->has_pairs() &&
             (f.kind->has_places() || !f.kind->self_dual);
    };
    const auto by_role = [](const SpaceAxis& axis) { return axis.characters.empty(); };
    return std::all_of(space_.factors().begin(), space_.factors().end(), plain) &&
           std::all_of(space_.tensors().begin(), space_.tensors().end(),
                       [&](const SpaceTensor& t) { return std::all_of(t.axes.begin(), t.axes.end(), by_role); });
  }

  bool carries_copies(int f) const {
    return std::any_of(space_.factors().begin(), space_.factors().end(),
                       [&](const Factor& g) { return g.per == factor(f).name; });
  }

  int axis_of(int t, int f) const { return equivalence::axis_of(space_, t, f); }

  /// Whether the group's unknown part leaves every other axis of t alone.
  bool others_known(int t, int axis) const {
    for (int i = 0; i < static_cast<int>(axes(t).size()); ++i)
      if (i != axis && !known_[at(axes(t)[at(i)].factor)]) return false;
    return true;
  }

  /// The next factor to match: the first with a tensor whose other axes are known; else the first. -1: none is left.
  int next() const {
    int first = -1;
    for (int f = 0; f < factors(); ++f) {
      if (known_[at(f)] || !factor(f).per.empty()) continue;
      if (first < 0) first = f;
      if (carries_copies(f) ? !products_of(f).empty() : ready(f)) return f;
    }
    return first;
  }

  bool ready(int f) const {
    for (int t = 0; t < static_cast<int>(a_.size()); ++t)
      if (const int axis = axis_of(t, f); axis >= 0 && others_known(t, axis)) return true;
    return false;
  }

  /// Rows of numbers, one per unit of factor f, that no unknown factor changes: what stands in tensor t, sorted along
  /// the axes of unknown permutations (signs: sizes). Without columns when other groups act on it.
  Matrix features(const Tensor& values, int t, int axis) const {
    const Shape shape = values.shape();  // [1, taps, axes…]
    std::int64_t unknown = 1;
    bool sizes = false;
    for (int i = 0; i < static_cast<int>(axes(t).size()); ++i) {
      const Factor& f = factor(axes(t)[at(i)].factor);
      if (i == axis || known_[at(axes(t)[at(i)].factor)]) continue;
      if (f.kind->scales == Scales::sign)
        sizes = true;
      else if (!f.kind->has_places() || f.kind->scales != Scales::none || !f.per.empty())
        return {};
      unknown *= f.size;
    }
    const std::int64_t n = shape[2 + axis];
    Matrix out(n, values.numel() / n);
    for (std::int64_t flat = 0; flat < values.numel(); ++flat) {
      std::int64_t rest = flat, unit = 0, key = 0, key_step = 1, place = 0, place_step = 1;
      for (int d = shape.rank() - 1; d >= 1; --d) {
        const std::int64_t i = rest % shape[d];
        rest /= shape[d];
        if (d == 2 + axis) {
          unit = i;
        } else if (d == 1 || known_[at(axes(t)[at(d - 2)].factor)]) {
          key += key_step * i;
          key_step *= shape[d];
        } else {
          place += place_step * i;
          place_step *= shape[d];
        }
      }
      const double x = values.data<double>()[flat];
      out(unit, key * unknown + place) = sizes ? std::abs(x) : x;
    }
    if (unknown > 1)
      for (Eigen::Index i = 0; i < out.rows(); ++i)
        for (Eigen::Index c = 0; c < out.cols(); c += unknown)
          std::sort(out.row(i).data() + c, out.row(i).data() + c + unknown);
    return out;
  }

  /// What units of a and of b are told by, a row each, and the sizes that differences of rows are relative to.
  struct Trait {
    Matrix from, to;
    Vector size_from, size_to;

    void scale(const Vector& by_from, const Vector& by_to) {
      from = by_from.asDiagonal() * from;
      to = by_to.asDiagonal() * to;
      size_from.array() *= by_from.array();
      size_to.array() *= by_to.array();
    }
  };

  static Trait trait(Matrix from, Matrix to) {
    Trait out{std::move(from), std::move(to), {}, {}};
    out.size_from = out.from.rowwise().norm();
    out.size_to = out.to.rowwise().norm();
    return out;
  }

  /// One trait a tensor; of a monomial factor those tensors alone that its own scales multiply (vector) or divide
  /// (covector) unit by unit. `size_from`, `size_to`: of all of them together, which biases are relative to.
  std::vector<Trait> traits_of(int f, AxisRole role, Vector& size_from, Vector& size_to) const {
    const bool monomial = factor(f).kind->scales != Scales::none;
    std::vector<Trait> out;
    std::vector<bool> bias;
    size_from = size_to = Vector::Zero(factor(f).size);
    for (int t = 0; t < static_cast<int>(a_.size()); ++t) {
      const int axis = axis_of(t, f);
      if (axis < 0 || axes(t)[at(axis)].role != role || (monomial && !others_known(t, axis))) continue;
      Trait one = trait(features(image_[at(t)], t, axis), features(b_[at(t)], t, axis));
      if (one.from.cols() == 0) continue;
      size_from = (size_from.array().square() + one.size_from.array().square()).sqrt();
      size_to = (size_to.array().square() + one.size_to.array().square()).sqrt();
      bias.push_back(axes(t).size() == 1);
      out.push_back(std::move(one));
    }
    for (std::size_t i = 0; i < out.size(); ++i)
      if (bias[i]) {
        out[i].size_from = size_from;
        out[i].size_to = size_to;
      }
    return out;
  }

  /// The same in other units: rows of length 1 at most, of which every column counts as much as any other. Where one
  /// column outweighs all others, rows differ by rounding alone. It counts little, for small numbers may be noise.
  static Trait column_by_column(const Trait& t) {
    constexpr double weight = 1. / 32;
    const auto shares = [](const Matrix& rows, const Vector& size) {
      Matrix out = rows;
      for (Eigen::Index i = 0; i < out.rows(); ++i)
        if (size(i) > 0) out.row(i) /= size(i);
      return out;
    };
    Trait out{shares(t.from, t.size_from), shares(t.to, t.size_to), {}, {}};
    for (Eigen::Index c = 0; c < out.to.cols(); ++c)
      if (const double size = std::max(out.to.col(c).norm(), out.from.col(c).norm()); size > 0) {
        out.from.col(c) /= size;
        out.to.col(c) /= size;
      }
    out.size_from = out.size_to =
        Vector::Constant(out.to.rows(), std::sqrt(static_cast<double>(out.to.cols())) / weight);
    return out;
  }

  /// The products of unit i of b and unit j of a, trait by trait, each over the larger of their squared sizes: what
  /// small units differ by counts as much as what large ones do.
  struct Likeness {
    Matrix product, squares;

    void add(const Trait& t) {
      const Matrix products = t.to * t.from.transpose();
      const Vector from = t.from.rowwise().squaredNorm(), to = t.to.rowwise().squaredNorm();
      for (Eigen::Index i = 0; i < product.rows(); ++i)
        for (Eigen::Index j = 0; j < product.cols(); ++j)
          if (const double size = std::max(t.size_to(i), t.size_from(j)); size > 0) {
            product(i, j) += products(i, j) / size / size;
            squares(i, j) += to(i) / size / size + from(j) / size / size;
          }
    }
  };
  static Likeness likeness(const std::vector<Trait>& traits, Eigen::Index n) {
    Likeness out{Matrix::Zero(n, n), Matrix::Zero(n, n)};
    for (const Trait& t : traits) {
      out.add(t);
      out.add(column_by_column(t));
    }
    return out;
  }

  /// The cheapest assignment of a's units to b's, as the order of an element's part; for signs either sign will do.
  static std::vector<std::int32_t> match(const Likeness& like, bool signs) {
    std::vector<double> cost(static_cast<std::size_t>(like.product.size()));
    for (Eigen::Index k = 0; k < like.product.size(); ++k) {
      const double product = like.product.data()[k];
      cost[static_cast<std::size_t>(k)] = like.squares.data()[k] - 2 * (signs ? std::abs(product) : product);
    }
    return assign(cost, like.product.rows(), like.product.cols()).column_of_row;
  }

  bool match_units(int f) {
    const FactorKind kind = factor(f).kind;
    if (!kind->has_places()) return false;  // not per heads: no scheme for it
    Vector size_a, size_b, out_a, out_b;
    std::vector<Trait> traits = traits_of(f, AxisRole::vector, size_a, size_b);
    std::vector<Trait> outgoing = traits_of(f, AxisRole::covector, out_a, out_b);
    if (kind->has_magnitudes()) {
      // Incoming weights to length 1, outgoing ones the other way round; a unit without incoming weights stays as it
      // is.
      for (Vector* size : {&size_a, &size_b})
        for (double& s : *size)
          if (!(s > 0)) s = 1;
      for (Trait& t : traits) t.scale(size_a.cwiseInverse(), size_b.cwiseInverse());
      for (Trait& t : outgoing) t.scale(size_a, size_b);
    }
    for (Trait& t : outgoing) traits.push_back(std::move(t));
    if (traits.empty()) return true;  // nothing to tell units by
    ElementPart& part = parts_[at(f)];
    const Likeness like = likeness(traits, factor(f).size);
    part.order = match(like, kind->has_signs());
    for (std::size_t i = 0; i < part.scale.size(); ++i) {
      const auto now = static_cast<Eigen::Index>(i), old = static_cast<Eigen::Index>(part.order[i]);
      part.scale[i] = kind->has_magnitudes() ? size_b(now) / size_a(old) : (like.product(now, old) < 0 ? -1 : 1);
    }
    return true;
  }

  bool known(const HeadTensor& t) const { return known_[at(axes(t.tensor)[at(t.x_axis)].factor)]; }

  struct HeadProduct {
    HeadTensor left, right;
  };

  /// Pairs of tensors whose product over a GL axis no unknown factor changes.
  std::vector<HeadProduct> products_of(int h) const {
    std::vector<HeadProduct> out;
    for (int g = 0; g < factors(); ++g) {
      if (factor(g).per != factor(h).name || factor(g).kind->mixing != Mixing::matrix) continue;
      for (const HeadTensor& l : head_tensors(space_, h, g, AxisRole::vector))
        for (const HeadTensor& r : head_tensors(space_, h, g, AxisRole::covector))
          if (known(l) && known(r)) out.push_back({l, r});
    }
    return out;
  }

  /// Heads by random projections of their products, then every GL by least squares.
  bool match_heads(int h) {
    const std::int64_t n = factor(h).size;
    std::vector<Trait> traits;
    for (const HeadProduct& product : products_of(h)) {
      const HeadTensor &l = product.left, &r = product.right;
      const Matrix left = projection(image_[at(l.tensor)].shape()[2 + l.x_axis], "left"),
                   right = projection(image_[at(r.tensor)].shape()[2 + r.x_axis], "right");
      auto sketch = [&](const std::vector<Tensor>& values) {
        Matrix m(n, sketch_size * sketch_size);
        for (std::int64_t i = 0; i < n; ++i) {
          const Matrix s = (left.transpose() * head_slice(values[at(l.tensor)], l, i)) *
                           (head_slice(values[at(r.tensor)], r, i).transpose() * right);
          m.row(i) = Eigen::Map<const Eigen::RowVectorXd>(s.data(), s.size());
        }
        return m;
      };
      traits.push_back(trait(sketch(image_), sketch(b_)));
    }
    if (!traits.empty()) parts_[at(h)].order = match(likeness(traits, n), false);
    for (int g = 0; g < factors(); ++g) {
      if (factor(g).per != factor(h).name) continue;
      if (factor(g).kind->mixing != Mixing::matrix || !match_copies(h, g)) return false;
    }
    return true;
  }

  bool match_copies(int h, int g) {
    for (const HeadTensor& t : head_tensors(space_, h, g, AxisRole::vector)) {
      if (!known(t)) continue;
      for (std::int64_t i = 0; i < factor(h).size; ++i) {
        const std::int64_t source = parts_[at(h)].order[static_cast<std::size_t>(i)];
        const auto found =
            equivalence::gauge(head_slice(image_[at(t.tensor)], t, source), head_slice(b_[at(t.tensor)], t, i));
        if (!found) return false;
        const std::int64_t size = found->matrix.size();
        std::copy_n(found->matrix.data(), size, parts_[at(g)].matrix.data() + source * size);
        std::copy_n(found->inverse.data(), size, parts_[at(g)].inverse.data() + source * size);
      }
      return true;
    }
    return false;
  }

  static Matrix projection(std::int64_t rows, const char* side) {
    const Tensor t = Tensor::zeros({1, rows, sketch_size}, DType::f64);
    fill_normal(t, RandomKey(0, "equivalence projection").at(side));
    return equivalence::matrix(t, 0);
  }

  const Space& space_;
  const Element identity_;
  std::vector<Tensor> a_, b_, image_;  ///< image_: a moved by what is known so far
  std::vector<ElementPart> parts_;
  std::vector<bool> known_;
};

}  // namespace

std::optional<NetworkElement> match_networks(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b) {
  return Matching(space, a, b).run();
}

}  // namespace weft
