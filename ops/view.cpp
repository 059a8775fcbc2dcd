#include "weft/ops/view.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "weft/groups/rules.h"
#include "weft/ops/add_rows.h"

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
  if (a >= x.type().free()) require_along(Action::select, op, x.name(), x.type(), a - x.type().free());
  return a;
}

/// A selected axis has another size than its factor: it is an ordinary axis from here on.
Type released(const Type& type, int dimension) {
  Type out = type;
  if (dimension >= type.free()) out[dimension - type.free()] = Axis{};
  return out;
}

/// `rows` runs of `length` numbers from x to y, whose starts lie `y_step` and `x_step` numbers apart, behind `y_at` and
/// `x_at` of them.
void copy_rows(const Tensor& y, std::int64_t y_at, std::int64_t y_step, const Tensor& x, std::int64_t x_at,
               std::int64_t x_step, std::int64_t rows, std::int64_t length) {
  const auto size = static_cast<std::int64_t>(size_of(x.dtype()));
  std::byte* to = static_cast<std::byte*>(y.raw()) + y_at * size;
  const std::byte* from = static_cast<const std::byte*>(x.raw()) + x_at * size;
  if (Backend* device = x.backend()) {
    const CopyShape shape{2, {rows, length}, {y_step, 1}, {x_step, 1}};
    device->table<MoveKernels>("copy").copy_strided[static_cast<int>(x.dtype())](to, from, shape);
    return;
  }
  for (std::int64_t r = 0; r < rows; ++r)
    std::memcpy(to + r * y_step * size, from + r * x_step * size, static_cast<std::size_t>(length * size));
}

/// Throws UsageError for an index out of range.
void gather_rows(const Tensor& x, const Around& s, const Tensor& index, const Tensor& y) {
  const std::span<const std::int32_t> at = index.span<std::int32_t>();
  for (std::size_t i = 0; i < at.size(); ++i)
    if (at[i] < 0 || at[i] >= s.n) throw UsageError("[gather] index {} is {}; allowed: 0..{}", i, at[i], s.n - 1);
  const auto m = static_cast<std::int64_t>(at.size()), row = s.inner * static_cast<std::int64_t>(size_of(x.dtype()));
  parallel_blocks(s.outer * m, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      std::memcpy(static_cast<std::byte*>(y.raw()) + r * row,
                  static_cast<const std::byte*>(x.raw()) + (r / m * s.n + at[static_cast<std::size_t>(r % m)]) * row,
                  static_cast<std::size_t>(row));
  });
}

}  // namespace

Var slice(const Var& x, int axis, std::int64_t begin, std::int64_t end) {
  const int a = checked_axis("slice", x, axis);
  const Around s = around(x.shape(), a);
  if (begin < 0 || begin > end || end > s.n)
    throw ShapeError("[slice] [{}, {}) along axis {} of a tensor of shape {}", begin, end, axis, x.shape().str());
  const Tensor y = x.tape().empty(with_size(x.shape(), a, end - begin), x.dtype());
  const std::int64_t length = (end - begin) * s.inner;
  copy_rows(y, 0, length, x.value(), begin * s.inner, s.n * s.inner, s.outer, length);
  return x.tape().record("slice", y, released(x.type(), a), {x}, [s, begin, length](Backward& b) {
    const GradSlot g = b.grad(0);
    if (g.beta == 0) g.tensor.fill(0);
    with_float(g.tensor.dtype(), "slice", [&](auto t) {
      using T = decltype(t);
      add_rows<T>(
          g.tensor.backend(), s.outer,
          {g.tensor.address<T>() + begin * s.inner, s.n * s.inner, b.cotangent().address<T>(), length, length, true});
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
  std::int64_t at = 0;
  for (const Var& part : parts) {
    const std::int64_t row = part.shape()[a] * whole.inner;
    copy_rows(y, at, n * whole.inner, part.value(), 0, row, whole.outer, row);
    at += row;
  }
  return parts[0].tape().record("concat", y, released(parts[0].type(), a), parts,
                                [whole, count = static_cast<int>(parts.size()), a](Backward& b) {
                                  std::int64_t offset = 0;
                                  for (int i = 0; i < count; ++i) {
                                    const std::int64_t own = b.input_shape(i)[a] * whole.inner;
                                    if (b.wants(i)) {
                                      const GradSlot g = b.grad(i);
                                      with_float(g.tensor.dtype(), "concat", [&](auto t) {
                                        using T = decltype(t);
                                        add_rows<T>(g.tensor.backend(), whole.outer,
                                                    {g.tensor.address<T>(), own, b.cotangent().address<T>() + offset,
                                                     whole.n * whole.inner, own, g.beta != 0});
                                      });
                                    }
                                    offset += own;
                                  }
                                });
}

namespace {

/// GatherVjp on the CPU, where the places of every index are listed first.
template <class T>
void add_gathered(Arena& scratch, std::span<const std::int32_t> index, const Around& s, const T* gy, T* gx,
                  bool accumulate) {
  const auto m = static_cast<std::int64_t>(index.size());
  const Arena::Mark mark = scratch.mark();
  auto* end = scratch.allocate_array<std::int64_t>(static_cast<std::size_t>(s.n + 1));
  auto* places = scratch.allocate_array<std::int64_t>(index.size());
  std::fill_n(end, s.n + 1, 0);
  for (const std::int32_t j : index) ++end[j + 1];
  std::partial_sum(end, end + s.n + 1, end);  // where the places of j begin; once they are listed, where they end
  for (std::int64_t i = 0; i < m; ++i) places[end[index[static_cast<std::size_t>(i)]]++] = i;
  constexpr int lanes = SerialTeam::lanes;
  parallel_blocks(s.outer * s.n, 1 + 4096 / (s.inner + 1), [=](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const std::int64_t o = row / s.n, j = row % s.n, begin = j > 0 ? end[j - 1] : 0;
      for (std::int64_t k = 0; k < s.inner; k += lanes) {
        const std::int64_t count = std::min<std::int64_t>(lanes, s.inner - k);
        const auto sum = pairwise_sum<SideBySide<T, lanes>>(end[j] - begin, [=](std::int64_t i) {
          SideBySide<T, lanes> at{};
          std::copy_n(gy + (o * m + places[begin + i]) * s.inner + k, count, at.x);
          return at;
        });
        T* to = gx + row * s.inner + k;
        for (std::int64_t i = 0; i < count; ++i) to[i] = accumulate ? to[i] + sum.x[i] : sum.x[i];
      }
    }
  });
  scratch.rewind(mark);
}

}  // namespace

Var gather(const Var& x, int axis, const Tensor& given) {
  const int a = checked_axis("gather", x, axis);
  const Around s = around(x.shape(), a);
  const std::int64_t m = given.numel();
  Backend* device = x.value().backend();
  given.require_on(device, "gather", "index");
  const Tensor index = x.requires_grad() ? x.tape().copy(given) : given;
  const Tensor y = x.tape().empty(with_size(x.shape(), a, m), x.dtype());
  const auto on_device = [&](auto t) {
    using T = decltype(t);
    loop(device, y.numel(), 1,
         Gather<T>{x.value().address<T>(), index.address<std::int32_t>(), y.address<T>(), s.n, m, s.inner});
  };
  if (!device)
    gather_rows(x.value(), s, index, y);
  else if (x.dtype() == DType::i32)
    on_device(std::int32_t{});
  else
    with_float(x.dtype(), "gather", on_device);
  return x.tape().record("gather", y, released(x.type(), a), {x}, [s, index, m](Backward& b) {
    const GradSlot g = b.grad(0);
    with_float(g.tensor.dtype(), "gather", [&](auto t) {
      using T = decltype(t);
      if (Backend* device = g.tensor.backend())
        return loop(device, g.tensor.numel(), 1,
                    GatherVjp<T>{b.cotangent().address<T>(), index.address<std::int32_t>(), g.tensor.address<T>(), s.n,
                                 m, s.inner, g.beta != 0});
      add_gathered<T>(b.arena(), index.span<std::int32_t>(), s, b.cotangent().data<T>(), g.tensor.data<T>(),
                      g.beta != 0);
    });
  });
}

Var where(const Tensor& given, const Var& a, const Var& b) {
  constexpr const char* who = "where";
  if (!(given.shape() == a.shape()) || !(a.shape() == b.shape()))
    throw ShapeError("[{}] mask {}, a {}, b {}; allowed: one shape", who, given.shape().str(), a.shape().str(),
                     b.shape().str());
  if (given.dtype() != DType::u8 || a.dtype() != b.dtype())
    throw DtypeError("[{}] mask {}, a {}, b {}; allowed: u8, and two of one type", who, name(given.dtype()),
                     name(a.dtype()), name(b.dtype()));
  for (const Var* x : {&a, &b})
    if (!x->type().plain()) require(Action::select, who, x->name(), x->type());
  require_equal(who, a.name(), a.type(), b.name(), b.type());
  Tape& tape = a.tape();
  given.require_on(a.value().backend(), who, "mask");
  const Tensor mask = a.requires_grad() || b.requires_grad() ? tape.copy(given) : given;
  const Tensor y = tape.empty(a.shape(), a.dtype());
  constexpr std::int64_t grain = 16384;
  with_float(a.dtype(), who, [&](auto t) {
    using T = decltype(t);
    loop(
        tape.backend(), y.numel(), grain,
        Choose<T>{mask.address<std::uint8_t>(), a.value().address<T>(), b.value().address<T>(), y.address<T>(), false});
  });
  return tape.record(who, y, a.type(), {a, b}, [mask](Backward& back) {
    const Tensor& gy = back.cotangent();
    with_float(gy.dtype(), who, [&](auto t) {
      using T = decltype(t);
      const std::uint8_t* m = mask.address<std::uint8_t>();
      for (int i = 0; i < 2; ++i) {  // one after the other: a and b may be the same variable
        if (!back.wants(i)) continue;
        const GradSlot g = back.grad(i);
        const T *from_a = i == 0 ? gy.address<T>() : nullptr, *from_b = i == 1 ? gy.address<T>() : nullptr;
        loop(gy.backend(), gy.numel(), grain, Choose<T>{m, from_a, from_b, g.tensor.address<T>(), g.beta != 0});
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
      const std::int64_t n = g.tensor.numel();
      add_rows<T>(g.tensor.backend(), 1, {g.tensor.address<T>(), n, b.cotangent().address<T>(), n, n, g.beta != 0});
    });
  });
}

namespace {

template <class T>
void mask_rows(Backend* device, std::int64_t rows, const MaskRows<T>& body) {
  if (device) return loop(device, rows * body.n, 1, body);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = r * body.n; i < (r + 1) * body.n; ++i)
      body.y[i] = body.mask[r] * body.x[i] + (body.accumulate ? body.y[i] : T(0));
}

}  // namespace

Var channel_dropout(const Var& x, double rate, RandomKey key) {
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
    T* m = mask.address<T>();
    loop(tape.backend(), rows, 4096, DropoutMask<T>{m, static_cast<T>(rate), static_cast<T>(1 / (1 - rate))});
    mask_rows<T>(tape.backend(), rows, {m, x.value().address<T>(), y.address<T>(), n, false});
  });
  return tape.record("channel_dropout", y, x.type(), {x}, [mask, rows, n](Backward& b) {
    const GradSlot g = b.grad(0);
    with_float(g.tensor.dtype(), "channel_dropout", [&](auto t) {
      using T = decltype(t);
      mask_rows<T>(g.tensor.backend(), rows,
                   {mask.address<T>(), b.cotangent().address<T>(), g.tensor.address<T>(), n, g.beta != 0});
    });
  });
}

}  // namespace weft
