#include "weft/symmetry/internal/units.h"

#include <algorithm>
#include <cmath>

#include "weft/core/parallel.h"
#include "weft/nfn/baselines/statistics.h"

namespace weft::equivalence {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

constexpr std::int64_t large_tensor = 1 << 20;

/// What weights at one index of an axis are, and how far they are from their counterpart: squares of norms.
struct Slice {
  double x = 0, y = 0, change = 0;
};

class UnitDistance {
 public:
  UnitDistance(const Space& space, const NetworkTensors& a, const NetworkTensors& b)
      : space_(space), a_(a), b_(b), tensors_(static_cast<int>(space.tensors().size())) {
    if (can_balance(space)) {
      std::vector<Tensor> all;
      for (int t = 0; t < tensors_; ++t) all.push_back(b(t));
      scales_ = weft::balance(space, all).scales;
    } else {
      scales_.resize(space.factors().size());
    }
  }

  NetworkDistance distance() {
    out_.of_tensors.resize(at(tensors_));
    as_they_are_.resize(at(tensors_));
    balanced_.resize(at(tensors_));
    std::vector<double> apart(at(tensors_));
    // Large tensors one at a time: each is held in float64, and what moves it runs on all threads.
    for (const bool large : {true, false}) {
      const auto measured = [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t)
          if (const int i = static_cast<int>(t); large == (space_.axes_shape(i).numel() >= large_tensor))
            apart[at(i)] = measure(i);
      };
      large ? measured(0, tensors_) : parallel_blocks(tensors_, 1, measured);
    }
    for (const double distance : apart) add(distance, 1);
    for (int t = 0; t < tensors_; ++t) {
      const auto& axes = axes_of(t);
      // Dead units have no balance: they are compared as they are.
      for (int axis = 0; axis < static_cast<int>(axes.size()); ++axis)
        if (const Tensor& scales = scales_[at(axes[at(axis)].factor)]; scales.defined())
          compare_slices(as_they_are_, t, axis, [&](std::size_t unit) { return scales.data<double>()[unit] == 0; });
      if (in_products(t)) continue;
      for (int axis = 0; axis < static_cast<int>(axes.size()); ++axis)
        if (space_.factors()[at(axes[at(axis)].factor)].kind->has_places())
          compare_slices(balanced_, t, axis, [](std::size_t) { return true; });
    }
    for (int g = 0; g < static_cast<int>(space_.factors().size()); ++g)
      for (const auto& [left, right] : products(g)) compare_products(left, right);
    return std::move(out_);
  }

 private:
  using Slices = std::vector<std::vector<Slice>>;  // of a tensor: by axis and index

  const std::vector<SpaceAxis>& axes_of(int t) const { return space_.tensors()[at(t)].axes; }

  void add(double change, double size) {
    // What is not at most the largest is more, a NaN too.
    const double distance = change == 0 ? 0 : change / size;
    if (!(distance <= out_.of_units)) out_.of_units = std::isnan(distance) ? INFINITY : distance;
  }

  /// Of a tensor without places its distance, else 0.
  double measure(int t) {
    const Tensor x = a_(t), y = b_(t);
    double size = 0, change = 0, size_x = 0;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const double p = x.data<double>()[i], q = y.data<double>()[i];
      size_x += p * p;
      size += q * q;
      change += (p - q) * (p - q);
    }
    change = std::sqrt(change);
    const double relative = change == 0 ? 0 : change / std::sqrt(size);
    out_.of_tensors[at(t)] = std::isnan(relative) ? INFINITY : relative;
    const auto& axes = axes_of(t);
    const bool places = std::ranges::any_of(
        axes, [&](const SpaceAxis& a) { return space_.factors()[at(a.factor)].kind->has_places(); });
    const double apart = places || change == 0 ? 0 : change / std::sqrt(std::max(size, size_x));
    as_they_are_[at(t)] = slices(x, y);
    if (std::ranges::none_of(axes, [&](const SpaceAxis& a) { return scales_[at(a.factor)].defined(); })) {
      balanced_[at(t)] = as_they_are_[at(t)];
      return apart;
    }
    const Tensor moved[] = {x.clone(), y.clone()};
    for (int axis = 0; axis < static_cast<int>(axes.size()); ++axis) {
      const SpaceAxis& on = axes[at(axis)];
      const Tensor& scales = scales_[at(on.factor)];
      if (!scales.defined()) continue;
      for (const Tensor& w : moved)
        each_value(w, axis, [&](double& v, std::int64_t unit) {
          const double s = scales.data<double>()[unit];
          v = s == 0 ? 0 : on.role == AxisRole::vector ? v * s : v / s;
        });
    }
    balanced_[at(t)] = slices(moved[0], moved[1]);
    return apart;
  }

  /// f(value, index along the axis) for every value of a feature [1, taps, axes…].
  template <class F>
  static void each_value(const Tensor& w, int axis, const F& f) {
    const std::int64_t inner = w.shape().sub(3 + axis, w.rank()).numel(), n = w.shape()[2 + axis];
    double* v = w.data<double>();
    for (std::int64_t begin = 0; begin < w.numel(); begin += n * inner)
      for (std::int64_t unit = 0; unit < n; ++unit)
        for (std::int64_t i = 0; i < inner; ++i) f(*v++, unit);
  }

  static Slices slices(const Tensor& a, const Tensor& b) {
    Slices out;
    for (int axis = 0; axis < a.rank() - 2; ++axis) {
      out.emplace_back(static_cast<std::size_t>(a.dim(2 + axis)));
      const double* x = a.data<double>();
      each_value(b, axis, [&](double y, std::int64_t i) {
        Slice& s = out.back()[static_cast<std::size_t>(i)];
        s.x += *x * *x;
        s.y += y * y;
        s.change += (*x - y) * (*x - y);
        ++x;
      });
    }
    return out;
  }

  template <class Wanted>
  void compare_slices(const std::vector<Slices>& all, int t, int axis, const Wanted& wanted) {
    const auto& axes = axes_of(t);
    const std::vector<Slice>& own = all[at(t)][at(axis)];
    std::vector<Slice> size = own;
    if (axes.size() == 1)
      for (int other = 0; other < tensors_; ++other) {
        const int same = axis_of(space_, other, axes[0].factor);
        if (other == t || same < 0 || axes_of(other)[at(same)] != axes[0]) continue;
        const std::vector<Slice>& more = all[at(other)][at(same)];
        for (std::size_t i = 0; i < size.size(); ++i) {
          size[i].x += more[i].x;
          size[i].y += more[i].y;
        }
      }
    for (std::size_t i = 0; i < own.size(); ++i)
      if (wanted(i)) add(std::sqrt(own[i].change), std::sqrt(std::max(size[i].x, size[i].y)));
  }

  /// The products that GL factor g of a head leaves alone. Two biases give one number, which may be the small
  /// difference of large ones; what they have with the weights of the other side tells them, too.
  std::vector<std::pair<HeadTensor, HeadTensor>> products(int g) const {
    std::vector<std::pair<HeadTensor, HeadTensor>> out;
    const Factor& factor = space_.factors()[at(g)];
    if (factor.kind->mixing != Mixing::matrix || factor.per.empty()) return out;
    const int h = space_.find_factor(factor.per);
    for (const HeadTensor& l : head_tensors(space_, h, g, AxisRole::vector))
      for (const HeadTensor& r : head_tensors(space_, h, g, AxisRole::covector))
        if (l.x_axis >= 0 || r.x_axis >= 0) out.emplace_back(l, r);
    return out;
  }

  /// Whether products say how far tensor t is.
  bool in_products(int t) const {
    return std::ranges::any_of(axes_of(t), [&](const SpaceAxis& axis) {
      return std::ranges::any_of(products(axis.factor),
                                 [t](const auto& p) { return p.first.tensor == t || p.second.tensor == t; });
    });
  }

  void compare_products(const HeadTensor& l, const HeadTensor& r) {
    const Tensor left[] = {a_(l.tensor), b_(l.tensor)}, right[] = {a_(r.tensor), b_(r.tensor)};
    const std::int64_t heads = left[0].dim(2 + l.head_axis);
    std::vector<Slice> found(static_cast<std::size_t>(heads));  // norms
    parallel_blocks(heads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto product = [&](int network) {
          Product p{head_slice(left[network], l, i), head_slice(right[network], r, i).transpose(), 0, 0};
          p.norm = norm(p.left, p.right);
          p.noise = p.left.norm() * p.right.norm();
          return p;
        };
        const Product x = product(0), y = product(1);
        const double change = sum({{1, &x}, {-1, &y}}).norm;
        const bool rounding = change <= 64 * 0x1p-53 * std::max(x.noise, y.noise);
        found[static_cast<std::size_t>(i)] = {x.norm, y.norm, rounding ? 0 : change};
      }
    });
    for (const Slice& s : found) add(s.change, std::max(s.x, s.y));
  }

  const Space& space_;
  const NetworkTensors &a_, &b_;
  const int tensors_;
  std::vector<Tensor> scales_;                  ///< by factor: the balance of b
  std::vector<Slices> as_they_are_, balanced_;  ///< by tensor
  NetworkDistance out_;
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
    if (head < 0 || own < 0 || tensor.axes.size() > 3 || tensor.axes[at(own)].role != role || tensor.taps() != 1)
      continue;
    out.push_back({t, head, tensor.axes.size() == 3 ? 3 - head - own : -1, own});
  }
  return out;
}

Matrix head_slice(const Tensor& feature, const HeadTensor& t, std::int64_t i) {
  const auto size = [&](int axis) { return axis < 0 ? 1 : feature.dim(2 + axis); };
  const auto stride = [&](int axis) { return axis < 0 ? 0 : feature.shape().sub(3 + axis, feature.rank()).numel(); };
  const std::int64_t of_x = stride(t.x_axis), of_g = stride(t.g_axis);
  const double* const head = feature.data<double>() + i * stride(t.head_axis);
  Matrix out(size(t.x_axis), size(t.g_axis));
  for (Eigen::Index x = 0; x < out.rows(); ++x)
    for (Eigen::Index g = 0; g < out.cols(); ++g) out(x, g) = head[x * of_x + g * of_g];
  return out;
}

NetworkDistance network_distance(const Space& space, const NetworkTensors& a, const NetworkTensors& b) {
  return UnitDistance(space, a, b).distance();
}

}  // namespace weft::equivalence
