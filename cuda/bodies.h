#pragma once
// The bodies of range_loop() (cuda/range.h): an operation's own formula between the loads and the stores.

#include "weft/core/device_kernels.h"
#include "weft/core/random_bodies.h"
#include "weft/cuda/range.h"
#include "weft/nn/optim_rules.h"

namespace weft::cuda::inline WEFT_ISA {

/// y = f(x)
template <class Op, class T>
struct UnaryForward {
  static constexpr int width = pack_width<T>;
  const T* x;
  T* y;
  T p;

  PackRange plan(std::int64_t n) const { return split(n, width, {{x, sizeof(T)}, {y, sizeof(T)}}); }
  template <int N>
  WEFT_HD void at(std::int64_t i) const {
    Pack<T, N> v = load<N>(x + i);
    for (int k = 0; k < N; ++k) v.x[k] = Op::f(v.x[k], p);
    store(y + i, v);
  }
};

/// g = gy d, or g + gy d: what every vjp does with its derivative.
template <int N, class T>
WEFT_HD void accumulate_at(T* g, bool accumulate, const Pack<T, N>& gy, const Pack<T, N>& d) {
  // An uninitialised gradient is never read, not even to be multiplied by zero: it may hold a NaN.
  Pack<T, N> sum{};
  if (accumulate) sum = load<N>(g);
  for (int k = 0; k < N; ++k) sum.x[k] += gy.x[k] * d.x[k];
  store(g, sum);
}

/// gx = gy f'(x), or added
template <class Op, class T>
struct UnaryVjp {
  static constexpr int width = pack_width<T>;
  const T *x, *y, *gy;
  T* gx;
  bool accumulate;
  T p;

  PackRange plan(std::int64_t n) const {
    return split(n, width, {{x, sizeof(T)}, {y, sizeof(T)}, {gy, sizeof(T)}, {gx, sizeof(T)}});
  }
  template <int N>
  WEFT_HD void at(std::int64_t i) const {
    const Pack<T, N> in = load<N>(x + i), out = load<N>(y + i);
    Pack<T, N> d;
    for (int k = 0; k < N; ++k) d.x[k] = Op::df(in.x[k], out.x[k], p);
    const Pack<T, N> g = load<N>(gy + i);
    Pack<T, N> sum{};
    if (accumulate) sum = load<N>(gx + i);
    // Not 0 + product, which would lose the sign of a zero.
    for (int k = 0; k < N; ++k) sum.x[k] = accumulate ? sum.x[k] + g.x[k] * d.x[k] : g.x[k] * d.x[k];
    store(gx + i, sum);
  }
};

template <class Op, class T>
inline constexpr int binary_width = pack_width<T>;
template <class Op, class T>
requires(Op::calls) inline constexpr int binary_width<Op, T> = pack_width<double>;

/// y = f(a, b)
template <class Op, class T>
struct BinaryForward {
  static constexpr int width = binary_width<Op, T>;
  const T *a, *b;
  T* y;

  PackRange plan(std::int64_t n) const { return split(n, width, {{a, sizeof(T)}, {b, sizeof(T)}, {y, sizeof(T)}}); }
  template <int N>
  WEFT_HD void at(std::int64_t i) const {
    Pack<T, N> v = load<N>(a + i);
    const Pack<T, N> w = load<N>(b + i);
    for (int k = 0; k < N; ++k) v.x[k] = Op::f(v.x[k], w.x[k]);
    store(y + i, v);
  }
};

/// The gradient of input 0 (a) or 1 (b).
template <class Op, class T, int input>
struct BinaryVjp {
  static constexpr int width = binary_width<Op, T>;
  const T *a, *b, *y, *gy;
  T* g;
  bool accumulate;

  PackRange plan(std::int64_t n) const {
    return split(n, width, {{a, sizeof(T)}, {b, sizeof(T)}, {y, sizeof(T)}, {gy, sizeof(T)}, {g, sizeof(T)}});
  }
  template <int N>
  WEFT_HD void at(std::int64_t i) const {
    const Pack<T, N> va = load<N>(a + i), vb = load<N>(b + i), vy = load<N>(y + i);
    Pack<T, N> d;
    for (int k = 0; k < N; ++k)
      if constexpr (input == 0)
        d.x[k] = Op::da(va.x[k], vb.x[k], vy.x[k]);
      else
        d.x[k] = Op::db(va.x[k], vb.x[k], vy.x[k]);
    accumulate_at(g + i, accumulate, load<N>(gy + i), d);
  }
};

/// One step of an optimiser; `spoiled` becomes 1 when a gradient is not finite.
template <class Rule, class T>
struct Update {
  static constexpr int width = pack_width<T>;
  const Rule* constants;  ///< of the step
  T* values;
  const T* grads;
  T *first, *second;
  int* spoiled;

  PackRange plan(std::int64_t n) const {
    return split(n, width, {{values, sizeof(T)}, {grads, sizeof(T)}, {first, sizeof(T)}, {second, sizeof(T)}});
  }
  template <int N>
  WEFT_HD void at(std::int64_t i) const {
    const Rule rule = *constants;
    Pack<T, N> v = load<N>(values + i), m{}, s{};
    const Pack<T, N> g = load<N>(grads + i);
    if constexpr (Rule::states > 0) m = load<N>(first + i);
    if constexpr (Rule::states > 1) s = load<N>(second + i);
    bool finite = true;
    for (int k = 0; k < N; ++k) {
      finite = finite && g.x[k] - g.x[k] == T(0);
      update_at(rule, k, v.x, g.x, m.x, s.x);
    }
    store(values + i, v);
    if constexpr (Rule::states > 0) store(first + i, m);
    if constexpr (Rule::states > 1) store(second + i, s);
    if (!finite) *spoiled = 1;  // by many threads perhaps, all with the same word
  }
};

template <class T>
struct Fill {
  static constexpr int width = pack_width<T>;
  T* y;
  T value;

  PackRange plan(std::int64_t n) const { return split(n, width, {{y, sizeof(T)}}); }
  template <int N>
  WEFT_HD void at(std::int64_t i) const {
    Pack<T, N> v;
    for (int k = 0; k < N; ++k) v.x[k] = value;
    store(y + i, v);
  }
};

/// As Tensor::copy_from converts.
template <class From, class To>
struct Convert {
  static constexpr int width = 4;
  const From* x;
  To* y;

  PackRange plan(std::int64_t n) const { return split(n, width, {{x, sizeof(From)}, {y, sizeof(To)}}); }
  template <int N>
  WEFT_HD void at(std::int64_t i) const {
    const Pack<From, N> v = load<N>(x + i);
    Pack<To, N> w;
    for (int k = 0; k < N; ++k) w.x[k] = static_cast<To>(v.x[k]);
    store(y + i, w);
  }
};

/// Copies numbers of sizeof(T) bytes between strides. Index is 32 bits where they suffice: divisions by 64 bits cost
/// more than the copy.
template <class T, class Index>
struct StridedCopy {
  static constexpr int width = 1;
  T* y;
  const T* x;
  CopyShape shape;

  template <int N>
  WEFT_HD void at(std::int64_t number) const {
    static_assert(N == 1);
    Index rest = static_cast<Index>(number);
    std::int64_t to = 0, from = 0;
    for (int a = CopyShape::max_rank - 1; a >= 0;
         --a) {  // a fixed number of rounds: the shape stays in constant memory
      if (a >= shape.rank) continue;
      const Index size = static_cast<Index>(shape.size[a]), left = rest / size;
      const auto along = static_cast<std::int64_t>(rest - left * size);
      to += along * shape.to[a];
      from += along * shape.from[a];
      rest = left;
    }
    y[to] = x[from];
  }
};

/// An op with its parameter as a function of one number, and the function that changes nothing.
template <class Op, class T>
struct Activate {
  T p;
  WEFT_HD T f(T x) const { return Op::f(x, p); }
};
template <class T>
struct Identity {
  WEFT_HD T f(T x) const { return x; }
};

/// What follows a product: c = f(c + bias), c: [batch, m, n] with contiguous rows.
template <class Activation, class T>
struct GemmFinish {
  static constexpr int width = pack_width<T>;
  T* c;
  std::int64_t m, n, batch_stride, row_stride;
  const T* bias;  ///< null: none
  bool bias_per_row;
  std::int64_t bias_batch_stride;
  Activation activation;

  PackRange plan(std::int64_t batch) const {
    const bool whole = n % width == 0 && row_stride % width == 0 && batch_stride % width == 0 &&
                       reinterpret_cast<std::uintptr_t>(c) % 16 == 0;
    const std::int64_t all = batch * m * n;
    return whole ? PackRange{all, 0, all / width, width} : singles(all);
  }
  template <int N>
  WEFT_HD void at(std::int64_t i) const {
    const std::int64_t row = i / n, j = i - row * n, b = row / m, r = row - b * m;
    T* p = c + b * batch_stride + r * row_stride + j;
    Pack<T, N> v = load<N>(p);
    for (int k = 0; k < N; ++k) {
      if (bias) v.x[k] += bias[b * bias_batch_stride + (bias_per_row ? r : j + k)];
      v.x[k] = activation.f(v.x[k]);
    }
    store(p, v);
  }
};

/// y_i is number i of a distribution (core/random_bodies.h). One round makes the four numbers of a counter.
template <class Distribution, class T>
struct Random {
  static constexpr int width = 1;
  T* y;
  std::int64_t n;
  RandomStream of_key;
  const std::uint64_t* counter;
  Distribution distribution;

  PackRange plan() const { return singles((n + 3) / 4); }
  template <int N>
  WEFT_HD void at(std::int64_t group) const {
    T four[4];
    distribution.draw(of_key.counted(counter), static_cast<std::uint64_t>(group), four);
    for (int k = 0; k < 4; ++k)
      if (4 * group + k < n) y[4 * group + k] = four[k];
  }
};

}  // namespace weft::cuda::inline WEFT_ISA
