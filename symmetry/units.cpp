#include "weft/symmetry/internal/units.h"

#include <algorithm>
#include <cmath>

#include "weft/nfn/baselines/statistics.h"

namespace weft::equivalence {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// What weights at one index of an axis are, and how far they are from their counterpart: squares of norms.
struct Slice {
  double x = 0, y = 0, change = 0;
};

class UnitDistance {
 public:
  UnitDistance(const Space& space, const std::vector<Tensor>& a, const std::vector<Tensor>& b)
      : space_(space), a_(a), b_(b) {
    if (can_balance(space)) balance_both();
  }

  double largest() {
    for (int t = 0; t < static_cast<int>(a_.size()); ++t) {
      if (moved_by_gl(t)) continue;
      for (int axis = 0; axis < static_cast<int>(space_.tensors()[at(t)].axes.size()); ++axis)
        compare_slices(t, axis, [](std::size_t) { return true; });
    }
    for (int g = 0; g < static_cast<int>(space_.factors().size()); ++g)
      if (space_.factors()[at(g)].kind->mixing == Mixing::matrix) compare_products(g);
    return largest_;
  }

 private:
  void add(double change, double size) {
    // What is not at most the largest is more, a NaN too.
    const double distance = change == 0 ? 0 : change / size;
    if (!(distance <= largest_)) largest_ = std::isnan(distance) ? INFINITY : distance;
  }

  /// Dead units have no balance: they are compared as they are, and then left out.
  void balance_both() {
    const Balance balance = weft::balance(space_, b_);
    for (int t = 0; t < static_cast<int>(a_.size()); ++t)
      for (int axis = 0; axis < static_cast<int>(space_.tensors()[at(t)].axes.size()); ++axis)
        if (const Tensor& scales = balance.scales[at(space_.tensors()[at(t)].axes[at(axis)].factor)]; scales.defined())
          compare_slices(t, axis, [&](std::size_t unit) { return scales.data<double>()[unit] == 0; });
    for (int t = 0; t < static_cast<int>(a_.size()); ++t) {
      const Tensor moved[] = {a_[at(t)].clone(), b_[at(t)].clone()};
      for (int axis = 0; axis < static_cast<int>(space_.tensors()[at(t)].axes.size()); ++axis) {
        const SpaceAxis& on = space_.tensors()[at(t)].axes[at(axis)];
        const Tensor& scales = balance.scales[at(on.factor)];
        if (!scales.defined()) continue;
        for (const Tensor& w : moved)
          each_value(w, axis, [&](double& x, std::int64_t unit) {
            const double s = scales.data<double>()[unit];
            x = s == 0 ? 0 : on.role == AxisRole::vector ? x * s : x / s;
          });
      }
      a_[at(t)] = moved[0];
      b_[at(t)] = moved[1];
    }
  }

  /// f(value, index along the axis) for every value of a feature [1, taps, axes…].
  template <class F>
  static void each_value(const Tensor& w, int axis, const F& f) {
    const std::int64_t inner = w.shape().sub(3 + axis, w.rank()).numel(), n = w.shape()[2 + axis];
    for (std::int64_t i = 0; i < w.numel(); ++i) f(w.data<double>()[i], i / inner % n);
  }

  std::vector<Slice> slices(int t, int axis) const {
    std::vector<Slice> out(static_cast<std::size_t>(a_[at(t)].shape()[2 + axis]));
    const double* x = a_[at(t)].data<double>();
    each_value(b_[at(t)], axis, [&](double y, std::int64_t i) {
      Slice& s = out[static_cast<std::size_t>(i)];
      s.x += *x * *x;
      s.y += y * y;
      s.change += (*x - y) * (*x - y);
      ++x;
    });
    return out;
  }

  template <class Wanted>
  void compare_slices(int t, int axis, const Wanted& wanted) {
    const auto& axes = space_.tensors()[at(t)].axes;
    const std::vector<Slice> own = slices(t, axis);
    std::vector<Slice> size = own;
    if (axes.size() == 1)
      for (int other = 0; other < static_cast<int>(a_.size()); ++other) {
        const int same = axis_of(space_, other, axes[0].factor);
        if (other == t || same < 0 || space_.tensors()[at(other)].axes[at(same)] != axes[0]) continue;
        const std::vector<Slice> more = slices(other, same);
        for (std::size_t i = 0; i < size.size(); ++i) {
          size[i].x += more[i].x;
          size[i].y += more[i].y;
        }
      }
    for (std::size_t i = 0; i < own.size(); ++i)
      if (wanted(i)) add(std::sqrt(own[i].change), std::sqrt(std::max(size[i].x, size[i].y)));
  }

  /// Tensors [head, x, g] are compared by their products, if there are any to multiply them with.
  bool moved_by_gl(int t) const {
    for (const SpaceAxis& axis : space_.tensors()[at(t)].axes) {
      const Factor& g = space_.factors()[at(axis.factor)];
      if (g.kind->mixing != Mixing::matrix || g.per.empty()) continue;
      const int h = space_.find_factor(g.per);
      const auto left = head_tensors(space_, h, axis.factor, AxisRole::vector),
                 right = head_tensors(space_, h, axis.factor, AxisRole::covector);
      const auto is_t = [t](const HeadTensor& x) { return x.tensor == t; };
      if ((std::any_of(left.begin(), left.end(), is_t) && !right.empty()) ||
          (std::any_of(right.begin(), right.end(), is_t) && !left.empty()))
        return true;
    }
    return false;
  }

  void compare_products(int g) {
    const Factor& factor = space_.factors()[at(g)];
    if (factor.per.empty()) return;
    const int h = space_.find_factor(factor.per);
    for (const HeadTensor& l : head_tensors(space_, h, g, AxisRole::vector))
      for (const HeadTensor& r : head_tensors(space_, h, g, AxisRole::covector))
        for (std::int64_t i = 0; i < space_.factors()[at(h)].size; ++i) {
          const auto product = [&](const std::vector<Tensor>& w) {
            Product p{head_slice(w[at(l.tensor)], l, i), head_slice(w[at(r.tensor)], r, i).transpose(), 0, 0};
            p.norm = norm(p.left, p.right);
            p.noise = p.left.norm() * p.right.norm();
            return p;
          };
          const Product x = product(a_), y = product(b_);
          const double change = sum({{1, &x}, {-1, &y}}).norm;
          if (!(change <= 64 * 0x1p-53 * std::max(x.noise, y.noise))) add(change, std::max(x.norm, y.norm));
        }
  }

  const Space& space_;
  std::vector<Tensor> a_, b_;
  double largest_ = 0;
};

}  // namespace

int axis_of(const Space& space, int t, int f) {
  const auto& axes = space.tensors()[at(t)].axes;
  const auto on_f = [f](const SpaceAxis& a) { return a.factor == f; };
  if (std::count_if(axes.begin(), axes.end(), on_f) != 1) return -1;
  return static_cast<int>(std::find_if(axes.begin(), axes.end(), on_f) - axes.begin());
}

std::vector<HeadTensor> head_tensors(const Space& space, int h, int g, AxisRole role) {
  std::vector<HeadTensor> out;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    const SpaceTensor& tensor = space.tensors()[at(t)];
    const int head = axis_of(space, t, h), own = axis_of(space, t, g);
    if (head < 0 || own < 0 || tensor.axes.size() != 3 || tensor.axes[at(own)].role != role || tensor.taps() != 1)
      continue;
    out.push_back({t, head, 3 - head - own, own});
  }
  return out;
}

Matrix head_slice(const Tensor& feature, const HeadTensor& t, std::int64_t i) {
  const Shape s = feature.shape();
  const std::int64_t stride[] = {s[3] * s[4], s[4], 1};
  Matrix out(s[2 + t.x_axis], s[2 + t.g_axis]);
  for (Eigen::Index x = 0; x < out.rows(); ++x)
    for (Eigen::Index g = 0; g < out.cols(); ++g)
      out(x, g) = feature.data<double>()[i * stride[t.head_axis] + x * stride[t.x_axis] + g * stride[t.g_axis]];
  return out;
}

double unit_distance(const Space& space, const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return UnitDistance(space, a, b).largest();
}

}  // namespace weft::equivalence
