// The group element between two networks of one space, factor by factor.

#include <algorithm>
#include <cmath>
#include <string>

#include "weft/ops/act.h"
#include "weft/zoo/equivalence/assignment.h"
#include "weft/zoo/equivalence/internal/gauge.h"
#include "weft/zoo/equivalence/network.h"

namespace weft {
namespace {

using equivalence::Matrix;

constexpr std::int64_t sketch_size = 8;

class Matching {
 public:
  Matching(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b)
      : space_(space), identity_(Element::identity(space)) {
    for (const Tensor& t : a) a_.push_back(t.to(DType::f64));
    for (const Tensor& t : b) b_.push_back(t.to(DType::f64));
    image_ = a_;
    parts_.assign(identity_.parts().begin(), identity_.parts().end());
    for (const Factor& f : space.factors()) known_.push_back(f.kind == Kind::fixed);
  }

  std::optional<NetworkElement> run() {
    for (int f = next(); f >= 0; f = next()) {
      if (!(carries_copies(f) ? match_heads(f) : match_units(f))) return {};
      known_[at(f)] = true;
      for (int g = 0; g < factors(); ++g)
        if (factor(g).per == factor(f).name) known_[at(g)] = true;
      const Element so_far(space_, parts_);
      for (int t = 0; t < static_cast<int>(a_.size()); ++t) image_[at(t)] = act(so_far, t, a_[at(t)]);
    }
    NetworkElement out{Element(space_, parts_), 0};
    for (std::size_t t = 0; t < b_.size(); ++t) {
      double change = 0, size = 0;
      for (std::int64_t i = 0; i < b_[t].numel(); ++i) {
        const double x = image_[t].data<double>()[i], y = b_[t].data<double>()[i];
        change += (x - y) * (x - y);
        size += y * y;
      }
      if (change > 0) out.residual = std::max(out.residual, std::sqrt(change / size));
    }
    return out;
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  int factors() const { return static_cast<int>(space_.factors().size()); }
  const Factor& factor(int f) const { return space_.factors()[at(f)]; }
  const std::vector<SpaceAxis>& axes(int t) const { return space_.tensors()[at(t)].axes; }

  bool carries_copies(int f) const {
    return std::any_of(space_.factors().begin(), space_.factors().end(),
                       [&](const Factor& g) { return g.per == factor(f).name; });
  }

  /// The axis of tensor t on factor f if there is exactly one, or -1.
  int axis_of(int t, int f) const {
    int found = -1;
    for (int i = 0; i < static_cast<int>(axes(t).size()); ++i)
      if (axes(t)[at(i)].factor == f) {
        if (found >= 0) return -1;
        found = i;
      }
    return found;
  }

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
      if (f.kind == Kind::sign_monomial)
        sizes = true;
      else if (f.kind != Kind::permutation || !f.per.empty())
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

  static void append(Matrix& all, const Matrix& more) {
    if (more.cols() == 0) return;
    const Eigen::Index before = all.cols();
    all.conservativeResize(more.rows(), before + more.cols());
    all.rightCols(more.cols()) = more;
  }

  /// Features of all tensors, each tensor's divided by its size in b; of a monomial factor those alone that its own
  /// scales multiply (vector) or divide (covector) unit by unit.
  void all_features(int f, Role role, Matrix& from, Matrix& to) const {
    const bool monomial = factor(f).kind != Kind::permutation;
    for (int t = 0; t < static_cast<int>(a_.size()); ++t) {
      const int axis = axis_of(t, f);
      if (axis < 0 || axes(t)[at(axis)].role != role || (monomial && !others_known(t, axis))) continue;
      const Matrix x = features(image_[at(t)], t, axis), y = features(b_[at(t)], t, axis);
      const double size = y.norm();
      const double weight = factor(f).kind != Kind::positive_monomial && size > 0 ? 1 / size : 1;
      append(from, weight * x);
      append(to, weight * y);
    }
  }

  /// The cheapest assignment of a's rows to b's, as the order of an element's part; for signs either sign will do.
  static std::vector<std::int32_t> match(const Matrix& from, const Matrix& to, bool signs) {
    const Matrix products = to * from.transpose();
    std::vector<double> cost(static_cast<std::size_t>(products.size()));
    for (Eigen::Index i = 0; i < products.rows(); ++i)
      for (Eigen::Index j = 0; j < products.cols(); ++j)
        cost[static_cast<std::size_t>(i * products.cols() + j)] =
            to.row(i).squaredNorm() + from.row(j).squaredNorm() -
            2 * (signs ? std::abs(products(i, j)) : products(i, j));
    return assign(cost, products.rows(), products.cols()).column_of_row;
  }

  bool match_units(int f) {
    const Kind kind = factor(f).kind;
    if (kind == Kind::GL) return false;  // not per heads: no scheme for it
    Matrix from, to;
    all_features(f, Role::vector, from, to);
    const std::int64_t n = factor(f).size;
    Eigen::VectorXd size_a = Eigen::VectorXd::Ones(n), size_b = size_a;
    if (kind == Kind::positive_monomial && from.cols() > 0) {
      // Incoming weights to length 1, outgoing ones the other way round; a unit without incoming weights stays as it
      // is.
      auto normalise = [](Matrix& m, Eigen::VectorXd& size) {
        for (Eigen::Index i = 0; i < m.rows(); ++i)
          if (const double s = m.row(i).norm(); s > 0) m.row(i) /= size(i) = s;
      };
      normalise(from, size_a);
      normalise(to, size_b);
    }
    Matrix out_from, out_to;
    all_features(f, Role::covector, out_from, out_to);
    if (out_from.cols() > 0) {
      append(from, size_a.asDiagonal() * out_from);
      append(to, size_b.asDiagonal() * out_to);
    }
    if (from.cols() == 0) return true;  // nothing to tell units by
    ElementPart& part = parts_[at(f)];
    part.order = match(from, to, kind == Kind::sign_monomial);
    for (std::size_t i = 0; i < part.scale.size(); ++i) {
      const auto now = static_cast<Eigen::Index>(i), old = static_cast<Eigen::Index>(part.order[i]);
      part.scale[i] =
          kind == Kind::positive_monomial ? size_b(now) / size_a(old) : (to.row(now).dot(from.row(old)) < 0 ? -1 : 1);
    }
    return true;
  }

  /// A tensor [head, x, g] in whatever order its axes stand, with g a factor per head.
  struct HeadTensor {
    int tensor, head_axis, x_axis, g_axis;
    bool known;  ///< nothing unknown acts on x
  };

  std::vector<HeadTensor> head_tensors(int h, int g, Role role) const {
    std::vector<HeadTensor> out;
    for (int t = 0; t < static_cast<int>(a_.size()); ++t) {
      const int head = axis_of(t, h), own = axis_of(t, g);
      if (head < 0 || own < 0 || axes(t).size() != 3 || axes(t)[at(own)].role != role) continue;
      if (space_.tensors()[at(t)].taps() != 1) continue;
      const int x = 3 - head - own;
      out.push_back({t, head, x, own, known_[at(axes(t)[at(x)].factor)]});
    }
    return out;
  }

  /// Head i as [x, g].
  static Matrix head(const Tensor& values, const HeadTensor& t, std::int64_t i) {
    const Shape s = values.shape();
    const std::int64_t stride[] = {s[3] * s[4], s[4], 1};
    Matrix out(s[2 + t.x_axis], s[2 + t.g_axis]);
    for (Eigen::Index x = 0; x < out.rows(); ++x)
      for (Eigen::Index g = 0; g < out.cols(); ++g)
        out(x, g) = values.data<double>()[i * stride[t.head_axis] + x * stride[t.x_axis] + g * stride[t.g_axis]];
    return out;
  }

  struct HeadProduct {
    HeadTensor left, right;
  };

  /// Pairs of tensors whose product over a GL axis no unknown factor changes.
  std::vector<HeadProduct> products_of(int h) const {
    std::vector<HeadProduct> out;
    for (int g = 0; g < factors(); ++g) {
      if (factor(g).per != factor(h).name || factor(g).kind != Kind::GL) continue;
      for (const HeadTensor& l : head_tensors(h, g, Role::vector))
        for (const HeadTensor& r : head_tensors(h, g, Role::covector))
          if (l.known && r.known) out.push_back({l, r});
    }
    return out;
  }

  /// Heads by random projections of their products, then every GL by least squares.
  bool match_heads(int h) {
    const std::int64_t n = factor(h).size;
    Matrix from, to;
    for (const auto& [l, r] : products_of(h)) {
      const Matrix left = projection(image_[at(l.tensor)].shape()[2 + l.x_axis], "left"),
                   right = projection(image_[at(r.tensor)].shape()[2 + r.x_axis], "right");
      auto sketch = [&](const std::vector<Tensor>& values) {
        Matrix m(n, sketch_size * sketch_size);
        for (std::int64_t i = 0; i < n; ++i) {
          const Matrix s = (left.transpose() * head(values[at(l.tensor)], l, i)) *
                           (head(values[at(r.tensor)], r, i).transpose() * right);
          m.row(i) = Eigen::Map<const Eigen::RowVectorXd>(s.data(), s.size());
        }
        return m;
      };
      const Matrix y = sketch(b_);
      const double size = y.norm();
      if (!(size > 0)) continue;
      append(from, sketch(image_) / size);
      append(to, y / size);
    }
    if (from.cols() > 0) parts_[at(h)].order = match(from, to, false);
    for (int g = 0; g < factors(); ++g) {
      if (factor(g).per != factor(h).name) continue;
      if (factor(g).kind != Kind::GL || !match_copies(h, g)) return false;
    }
    return true;
  }

  bool match_copies(int h, int g) {
    for (const HeadTensor& t : head_tensors(h, g, Role::vector)) {
      if (!t.known) continue;
      for (std::int64_t i = 0; i < factor(h).size; ++i) {
        const std::int64_t source = parts_[at(h)].order[static_cast<std::size_t>(i)];
        const auto found = equivalence::gauge(head(image_[at(t.tensor)], t, source), head(b_[at(t.tensor)], t, i));
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
    fill_normal(t, Key(0, "equivalence projection").at(side));
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
