// Matrices that are large enough to act in products: as the sums that they are, wherever the heads stand.

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/ops/act.h"

using namespace weft;

namespace {

/// act() of tensor t on the axis of factor f, whose copies stand on the axis `head` or are one: by its definition.
Tensor summed(const Element& g, int t, int axis, int head, const Tensor& x) {
  const SpaceAxis& on = g.space().tensors()[static_cast<std::size_t>(t)].axes[static_cast<std::size_t>(axis)];
  const ElementPart& part = g.part(on.factor);
  const auto stride = [&](int a) { return x.shape().sub(3 + a, x.rank()).numel(); };
  const std::int64_t n = part.size, step = stride(axis);
  const Tensor y = Tensor::zeros(x.shape(), DType::f64);
  for (std::int64_t at = 0; at < x.numel(); ++at) {
    const std::int64_t i = at / step % n, copy = head < 0 ? 0 : at / stride(head) % x.dim(2 + head);
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      const double m = on.role == AxisRole::vector ? part.matrix[static_cast<std::size_t>((copy * n + i) * n + j)]
                                                   : part.inverse[static_cast<std::size_t>((copy * n + j) * n + i)];
      sum += m * x.data<double>()[at + (j - i) * step];
    }
    y.data<double>()[at] = sum;
  }
  return y;
}

}  // namespace

TEST_CASE("act: large matrices, with heads before, behind and between, and without") {
  struct Case {
    const char* space;
    int axis, head;
  };
  for (const Case& c : {Case{"s: orthogonal(40); x: fixed(5) W[s, x]", 0, -1},
                        {"s: orthogonal(40); x: fixed(5) W[x, s]", 1, -1},
                        {"r: GL(33); x: fixed(3) W[x, r*, x]", 1, -1},
                        {"h: fixed(3); v: GL(34) per h; x: fixed(5) W[h, v, x]", 1, 0},
                        {"h: fixed(3); v: GL(34) per h; x: fixed(5) W[h, x, v*]", 2, 0},
                        {"h: fixed(3); v: GL(34) per h; x: fixed(5) W[x, h, v]", 2, 1},
                        {"h: fixed(3); v: GL(34) per h; x: fixed(5) W[x, h, x, v]", 3, 1},
                        {"h: fixed(3); v: GL(34) per h; x: fixed(5) W[x, v*, h]", 1, 2},
                        {"h: fixed(3); v: GL(34) per h; x: fixed(5) W[v, x, h, x]", 0, 2},
                        {"h: fixed(3); v: GL(34) per h W[h, v*]", 1, 0}}) {
    CAPTURE(c.space);
    const Space space = Space::parse(c.space);
    const Element g = Element::random(space, RandomKey(0, "act large"));
    const Tensor x = Tensor::zeros(space.feature_shape(0, 2, 2), DType::f64);
    fill_normal(x, RandomKey(1, "act large"));
    const Tensor y = act(g, 0, x), expected = summed(g, 0, c.axis, c.head, x);
    CHECK(largest_difference(y, expected) < 1e-10);
  }
}
