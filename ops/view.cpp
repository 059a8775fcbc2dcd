#include "weft/ops/view.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "weft/core/parallel.h"
#include "weft/groups/rules.h"

namespace weft {
namespace {

/// [outer, n, inner] around one dimension.
struct Around {
  std::int64_t outer, n, inner;
};

Around around(const Shape& shape, int axis) {
  return {shape.sub(0, axis).numel(), shape[axis], shape.sub(axis + 1, shape.rank()).numel()};
}

Shape with_size(const Shape& shape, int axis, std::int64_t n) {
  Shape out = shape.sub(0, axis);
  out.push_back(n);
  for (int i = axis + 1; i < shape.rank(); ++i) out.push_back(shape[i]);
  return out;
}

/// Checks the dimension and the rule; returns it counted from the slowest.
int checked_axis(const char* op, const Var& x, int axis) {
  const int a = axis < 0 ? axis + x.shape().rank() : axis;
  if (a < 0 || a >= x.shape().rank())
    throw ShapeError("[{}] axis {} of a tensor of shape {}", op, axis, x.shape().str());
  if (a >= x.type().free()) require(Action::select, op, x.name(), x.type(), a - x.type().free());
  return a;
}

/// A selected axis has another size than its factor: it is an ordinary axis from here on.
Type released(const Type& type, int dimension) {
  Type out = type;
  if (dimension >= type.free()) out[dimension - type.free()] = Axis{};
  return out;
}

/// Copies `rows` blocks of `bytes` between buffers with given distances.
void copy_rows(std::byte* to, std::int64_t to_step, const std::byte* from, std::int64_t from_step, std::int64_t rows,
               std::int64_t bytes) {
  for (std::int64_t r = 0; r < rows; ++r)
    std::memcpy(to + r * to_step, from + r * from_step, static_cast<std::size_t>(bytes));
}

/// g[o, offset + i] (+)= gy[o, i]
template <class T>
void add_rows(T* g, std::int64_t g_step, const T* gy, std::int64_t rows, std::int64_t length) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = 0; i < length; ++i) g[r * g_step + i] += gy[r * length + i];
}

}  // namespace

Var slice(const Var& x, int axis, std::int64_t begin, std::int64_t end) {
  const int a = checked_axis("slice", x, axis);
  const Around s = around(x.shape(), a);
  if (begin < 0 || begin > end || end > s.n)
    throw ShapeError("[slice] [{}, {}) along axis {} of a tensor of shape {}", begin, end, axis, x.shape().str());
  const Tensor y = x.tape().empty(with_size(x.shape(), a, end - begin), x.dtype());
  const auto size = static_cast<std::int64_t>(size_of(x.dtype()));
  copy_rows(static_cast<std::byte*>(y.raw()), (end - begin) * s.inner * size,
            static_cast<const std::byte*>(x.value().raw()) + begin * s.inner * size, s.n * s.inner * size, s.outer,
            (end - begin) * s.inner * size);
  return x.tape().record("slice", y, released(x.type(), a), {x}, [s, begin, end](Backward& b) {
    const GradSlot g = b.grad(0);
    if (g.beta == 0) g.tensor.fill(0);
    with_float(g.tensor.dtype(), "slice", [&](auto t) {
      using T = decltype(t);
      add_rows(g.tensor.data<T>() + begin * s.inner, s.n * s.inner, b.cotangent().data<T>(), s.outer,
               (end - begin) * s.inner);
    });
  });
}

Var concat(std::span<const Var> parts, int axis) {
  if (parts.empty()) throw ShapeError("[concat] no tensors");
  const int a = checked_axis("concat", parts[0], axis);
  std::int64_t n = 0;
  for (const Var& part : parts) {
    checked_axis("concat", part, axis);
    if (part.shape().rank() != parts[0].shape().rank() ||
        !(with_size(part.shape(), a, 0) == with_size(parts[0].shape(), a, 0)) || part.dtype() != parts[0].dtype())
      throw ShapeError("[concat] shapes {} and {} along axis {}", parts[0].shape().str(), part.shape().str(), axis);
    require_equal("concat", parts[0].name(), released(parts[0].type(), a), part.name(), released(part.type(), a));
    n += part.shape()[a];
  }
  const Tensor y = parts[0].tape().empty(with_size(parts[0].shape(), a, n), parts[0].dtype());
  const Around whole = around(y.shape(), a);
  const auto size = static_cast<std::int64_t>(size_of(y.dtype()));
  std::int64_t at = 0;
  for (const Var& part : parts) {
    const std::int64_t row = part.shape()[a] * whole.inner * size;
    copy_rows(static_cast<std::byte*>(y.raw()) + at, n * whole.inner * size,
              static_cast<const std::byte*>(part.value().raw()), row, whole.outer, row);
    at += row;
  }
  return parts[0].tape().record("concat", y, released(parts[0].type(), a), parts,
                                [whole, count = static_cast<int>(parts.size()), a](Backward& b) {
                                  std::int64_t offset = 0;
                                  for (int i = 0; i < count; ++i) {
                                    // Sizes are known from the gradients, or from the inputs, which need not be
                                    // unchanged.
                                    const std::int64_t own = b.input(i).dim(a) * whole.inner;
                                    if (b.wants(i)) {
                                      const GradSlot g = b.grad(i);
                                      with_float(g.tensor.dtype(), "concat", [&](auto t) {
                                        using T = decltype(t);
                                        const T* gy = b.cotangent().data<T>() + offset;
                                        T* out = g.tensor.data<T>();
                                        for (std::int64_t o = 0; o < whole.outer; ++o)
                                          for (std::int64_t k = 0; k < own; ++k) {
                                            T& to = out[o * own + k];
                                            to = gy[o * whole.n * whole.inner + k] + (g.beta != 0 ? to : T(0));
                                          }
                                      });
                                    }
                                    offset += own;
                                  }
                                });
}

Var gather(const Var& x, int axis, const Tensor& index) {
  const int a = checked_axis("gather", x, axis);
  const Around s = around(x.shape(), a);
  const std::span<const std::int32_t> at = index.span<std::int32_t>();
  for (std::size_t i = 0; i < at.size(); ++i)
    if (at[i] < 0 || at[i] >= s.n) throw UsageError("[gather] index {} is {}; allowed: 0..{}", i, at[i], s.n - 1);
  const auto m = static_cast<std::int64_t>(at.size()), row = s.inner * static_cast<std::int64_t>(size_of(x.dtype()));
  const Tensor y = x.tape().empty(with_size(x.shape(), a, m), x.dtype());
  parallel_blocks(s.outer * m, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      std::memcpy(
          static_cast<std::byte*>(y.raw()) + r * row,
          static_cast<const std::byte*>(x.value().raw()) + (r / m * s.n + at[static_cast<std::size_t>(r % m)]) * row,
          static_cast<std::size_t>(row));
  });
  return x.tape().record("gather", y, released(x.type(), a), {x}, [s, index, m](Backward& b) {
    const GradSlot g = b.grad(0);
    if (g.beta == 0) g.tensor.fill(0);
    with_float(g.tensor.dtype(), "gather", [&](auto t) {
      using T = decltype(t);
      const T* gy = b.cotangent().data<T>();
      const std::int32_t* from = index.data<std::int32_t>();
      // An index may repeat: rows are added one after another.
      for (std::int64_t r = 0; r < s.outer * m; ++r) {
        T* out = g.tensor.data<T>() + (r / m * s.n + from[r % m]) * s.inner;
        for (std::int64_t k = 0; k < s.inner; ++k) out[k] += gy[r * s.inner + k];
      }
    });
  });
}

Var reshape(const Var& x, const Shape& shape) {
  if (!x.type().plain()) require(Action::select, "reshape", x.name(), x.type());
  const Tensor y = x.value().reshape(shape);
  return x.tape().record("reshape", y, Type::plain(shape.rank()), {x}, [](Backward& b) {
    const GradSlot g = b.grad(0);
    with_float(g.tensor.dtype(), "reshape", [&](auto t) {
      using T = decltype(t);
      const T* gy = b.cotangent().data<T>();
      T* out = g.tensor.data<T>();
      for (std::int64_t i = 0; i < g.tensor.numel(); ++i) out[i] = gy[i] + (g.beta != 0 ? out[i] : T(0));
    });
  });
}

namespace {

struct PatchLoop {
  std::int64_t C, H, W, out_rows, out_columns;
  PatchShape p;

  /// f(offset in the image, offset in the patches) for every tap inside the image.
  template <class F, class Outside>
  void each(const F& inside, const Outside& outside) const {
    std::int64_t to = 0;
    for (std::int64_t r = 0; r < out_rows; ++r)
      for (std::int64_t c = 0; c < out_columns; ++c)
        for (std::int64_t channel = 0; channel < C; ++channel)
          for (std::int64_t i = 0; i < p.rows; ++i)
            for (std::int64_t j = 0; j < p.columns; ++j, ++to) {
              const std::int64_t y = r * p.stride + i - p.padding, x = c * p.stride + j - p.padding;
              if (y >= 0 && y < H && x >= 0 && x < W)
                inside((channel * H + y) * W + x, to);
              else
                outside(to);
            }
  }
};

}  // namespace

Var patches(const Var& x, const PatchShape& p) {
  const Shape& s = x.shape();
  if (s.rank() != 4) throw ShapeError("[patches] shape {}; allowed: [N, C, H, W]", s.str());
  if (!x.type().plain()) require(Action::select, "patches", x.name(), x.type());
  if (p.stride < 1 || p.padding < 0 || s[2] + 2 * p.padding < p.rows || s[3] + 2 * p.padding < p.columns)
    throw ShapeError("[patches] {}x{} taps, stride {}, padding {} on images of {}x{}", p.rows, p.columns, p.stride,
                     p.padding, s[2], s[3]);
  const PatchLoop loop{s[1],
                       s[2],
                       s[3],
                       (s[2] + 2 * p.padding - p.rows) / p.stride + 1,
                       (s[3] + 2 * p.padding - p.columns) / p.stride + 1,
                       p};
  const std::int64_t image = s[1] * s[2] * s[3], patch = loop.out_rows * loop.out_columns * s[1] * p.rows * p.columns;
  const Tensor y = x.tape().empty({s[0], loop.out_rows * loop.out_columns, s[1] * p.rows * p.columns}, x.dtype());
  with_float(x.dtype(), "patches", [&](auto t) {
    using T = decltype(t);
    parallel_blocks(s[0], 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        const T* in = x.value().data<T>() + n * image;
        T* out = y.data<T>() + n * patch;
        loop.each([=](std::int64_t from, std::int64_t to) { out[to] = in[from]; },
                  [=](std::int64_t to) { out[to] = 0; });
      }
    });
  });
  return x.tape().record("patches", y, Type::plain(3), {x}, [loop, image, patch, N = s[0]](Backward& b) {
    const GradSlot g = b.grad(0);
    if (g.beta == 0) g.tensor.fill(0);
    with_float(g.tensor.dtype(), "patches", [&](auto t) {
      using T = decltype(t);
      parallel_blocks(N, 4, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t n = begin; n < end; ++n) {
          T* out = g.tensor.data<T>() + n * image;
          const T* gy = b.cotangent().data<T>() + n * patch;
          loop.each([=](std::int64_t from, std::int64_t to) { out[from] += gy[to]; }, [](std::int64_t) {});
        }
      });
    });
  });
}

Var channel_dropout(const Var& x, double rate, Key key) {
  if (!(rate >= 0 && rate < 1)) throw UsageError("[channel_dropout] rate {}; allowed: 0 <= rate < 1", rate);
  if (x.shape().rank() < 2 || x.type().free() < 2)
    throw ShapeError("[channel_dropout] shape {}; allowed: [batch, channels, ...]", x.shape().str());
  require(Action::scale, "channel_dropout", x.name(), x.type());
  if (rate == 0) return x;
  const std::int64_t rows = x.shape()[0] * x.shape()[1], n = rows ? x.value().numel() / rows : 0;
  Tape& tape = x.tape();
  const Tensor mask = tape.empty({rows}, x.dtype()), y = tape.empty(x.shape(), x.dtype());
  fill_uniform(mask, key);
  with_float(x.dtype(), "channel_dropout", [&](auto t) {
    using T = decltype(t);
    for (T& m : mask.span<T>()) m = m < static_cast<T>(rate) ? T(0) : static_cast<T>(1 / (1 - rate));
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t i = 0; i < n; ++i) y.data<T>()[r * n + i] = mask.data<T>()[r] * x.value().data<T>()[r * n + i];
  });
  return tape.record("channel_dropout", y, x.type(), {x}, [mask, rows, n](Backward& b) {
    const GradSlot g = b.grad(0);
    with_float(g.tensor.dtype(), "channel_dropout", [&](auto t) {
      using T = decltype(t);
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t i = r * n; i < (r + 1) * n; ++i) {
          T& to = g.tensor.data<T>()[i];
          to = mask.data<T>()[r] * b.cotangent().data<T>()[i] + (g.beta != 0 ? to : T(0));
        }
    });
  });
}

namespace {

using Numbers = std::span<const double>;

/// y[o] = x[from(o)] for a plain tensor, or 0 where from is negative.
OpCase moved_case(std::string name, std::vector<Shape> shapes, std::function<Var(std::span<const Var>)> run,
                  std::vector<std::int64_t> from) {
  OpCase c;
  c.name = std::move(name);
  c.shapes = std::move(shapes);
  c.run = [run](Tape&, std::span<const Var> x) { return run(x); };
  c.reference = [from](std::span<const Tensor> x) {
    std::vector<double> all, y;
    for (const Tensor& t : x) all.insert(all.end(), t.span<double>().begin(), t.span<double>().end());
    for (std::int64_t i : from) y.push_back(i < 0 ? 0 : all[static_cast<std::size_t>(i)]);
    return y;
  };
  return c;
}

OpCase refused_case(std::string name, std::string tensor, std::function<Var(std::span<const Var>)> run,
                    std::string refusal, std::string result = {}) {
  OpCase c;
  c.name = std::move(name);
  c.space =
      "c: fixed(2); p: permutation(4); m: positive_monomial(4); s: sign_monomial(4); G: GL(3) P[p, c] M[m, c] S[s, c*] "
      "L[c, G] C[c]";
  c.tensors = {std::move(tensor)};
  c.run = [run](Tape&, std::span<const Var> x) { return run(x); };
  c.refusal = std::move(refusal);
  c.result = std::move(result);
  return c;
}

Tensor indices(std::vector<std::int32_t> values) {
  return Tensor::from<std::int32_t>(values, {static_cast<std::int64_t>(values.size())});
}

}  // namespace

std::vector<OpCase> view_cases() {
  const PatchShape padded{2, 2, 2, 1};
  return {
      moved_case("slice", {{2, 5}}, [](auto x) { return slice(x[0], 1, 1, 4); }, {1, 2, 3, 6, 7, 8}),
      moved_case("slice of rows", {{3, 2}}, [](auto x) { return slice(x[0], 0, 1, 3); }, {2, 3, 4, 5}),
      moved_case("slice of nothing", {{3, 2}}, [](auto x) { return slice(x[0], -1, 1, 1); }, {}),
      moved_case("concat", {{2, 2}, {2, 1}}, [](auto x) { return concat(x, 1); }, {0, 1, 4, 2, 3, 5}),
      moved_case("concat with itself", {{2, 2}},
                 [](auto x) {
                   const Var both[] = {x[0], x[0]};
                   return concat(both, 0);
                 },
                 {0, 1, 2, 3, 0, 1, 2, 3}),
      moved_case("gather", {{2, 3}},
                 [](auto x) {
                   return gather(x[0], 1, indices({2, 0, 2, 1}));
                 },
                 {2, 0, 2, 1, 5, 3, 5, 4}),
      moved_case("reshape", {{2, 3}},
                 [](auto x) {
                   return reshape(x[0], {3, 2});
                 },
                 {0, 1, 2, 3, 4, 5}),
      moved_case("patches", {{1, 2, 2, 3}},
                 [](auto x) {
                   return patches(x[0], {2, 2});
                 },
                 {0, 1, 3, 4, 6, 7, 9, 10, 1, 2, 4, 5, 7, 8, 10, 11}),
      moved_case("patches, stride and padding", {{1, 1, 2, 2}}, [padded](auto x) { return patches(x[0], padded); },
                 {-1, -1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, -1}),
      refused_case(
          "slice on p", "P", [](auto x) { return slice(x[0], 2, 0, 2); },
          "[slice] tensor 'P', axis 0 'p' (permutation(4)): slice along an axis that moves; only a fixed axis keeps "
          "its places"),
      refused_case(
          "gather on m", "M",
          [](auto x) {
            return gather(x[0], 2, indices({1, 0}));
          },
          "[gather] tensor 'M', axis 0 'm' (positive_monomial(4)): gather along an axis that moves; only a fixed axis "
          "keeps its places"),
      refused_case(
          "concat on s", "S",
          [](auto x) {
            const Var both[] = {x[0], x[0]};
            return concat(both, 2);
          },
          "[concat] tensor 'S', axis 0 's' (sign_monomial(4)): concat along an axis that moves; only a fixed axis "
          "keeps its places"),
      refused_case(
          "reshape on G", "L",
          [](auto x) {
            return reshape(x[0], {2, 12});
          },
          "[reshape] tensor 'L', axis 1 'G' (GL(3)): reshape along an axis that moves; only a fixed axis keeps its "
          "places"),
  };
}

}  // namespace weft
