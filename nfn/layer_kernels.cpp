// Compiled once per instruction set.

#include "weft/nfn/layer_kernels.h"

#include "weft/core/constants.h"
#include "weft/core/gemm_vector.h"
#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/team.h"

namespace weft::inline WEFT_ISA {

namespace {

template <class T>
void factors(const T* a2, const T* a3, const T* c2, const T* c3, std::int64_t e, std::int64_t d, T* q) {
  for (std::int64_t i = 0; i < e; ++i, a2 += d, a3 += d, q += d)
#pragma omp simd
    for (std::int64_t j = 0; j < d; ++j) q[j] = math::fma(a2[j], c2[j], a3[j] * c3[j]);
}

template <class T>
void factors_vjp(const T* a2, const T* a3, const T* c2, const T* c3, const T* gq, std::int64_t e, std::int64_t d, T* g2,
                 T* g3, T* gc2, T* gc3) {
  for (std::int64_t j = 0; j < d; ++j) gc2[j] = gc3[j] = 0;
  for (std::int64_t i = 0; i < e; ++i, a2 += d, a3 += d, gq += d, g2 += d, g3 += d)
#pragma omp simd
    for (std::int64_t j = 0; j < d; ++j) {
      const T g = gq[j];
      g2[j] = math::fma(g, c2[j], g2[j]);
      g3[j] = math::fma(g, c3[j], g3[j]);
      gc2[j] = math::fma(g, a2[j], gc2[j]);
      gc3[j] = math::fma(g, a3[j], gc3[j]);
    }
}

template <class T>
void transpose_all(const T* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns, T* y) {
  const std::int64_t y_stride = (rows + 15) / 16 * 16;
  auto least = [](std::int64_t a, std::int64_t b) { return a < b ? a : b; };
  for (std::int64_t i = 0; i < rows; i += lanes<T>)
    for (std::int64_t j = 0; j < columns; j += lanes<T>)
      transpose<false>(x + i * x_stride + j, x_stride, least(lanes<T>, columns - j), least(lanes<T>, rows - i),
                       y + j * y_stride + i, y_stride);
}

/// Both from one range reduction.
inline void sine_cosine(float x, float& sine, float& cosine) {
  uint32_t quadrant;
  const float r = math::reduce_half_pi(x, quadrant);
  sine = math::sin_of_quadrant(r, quadrant);
  cosine = math::sin_of_quadrant(r, quadrant + 1);
}
inline void sine_cosine(double x, double& sine, double& cosine) {
  sine = math::sin(x);
  cosine = math::cos(x);
}

template <class T>
void fourier(const T* x, std::int64_t n, const T* f, std::int64_t m, bool sines, T* y) {
  for (std::int64_t k = 0; k < m; ++k) {
    const T frequency = two_pi<T> * f[k];
    T *sine = y + k * n, *cosine = y + (m + k) * n;
    if (sines) {
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) sine[i] = math::sin(frequency * x[i]);
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) {
        T s, c;
        sine_cosine(frequency * x[i], s, c);
        sine[i] = s;
        cosine[i] = c;
      }
    }
  }
}

template <class T>
void scale_rows(const T* x, const T* scale, std::int64_t rows, std::int64_t n, T* y) {
  for (std::int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const T s = scale[r];
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) y[i] = s * x[i];
  }
}

/// Row sums of up to `lanes` rows: their vectors are added up, then transposed, then added up.
template <class T, std::size_t... i>
inline void row_sums(const T* x, std::int64_t rows, std::int64_t columns, T* y, std::index_sequence<i...> all) {
  const std::int64_t whole = columns / lanes<T> * lanes<T>;
  const Head<T> rest(columns - whole), written(rows < lanes<T> ? rows : lanes<T>);
  auto row = [&](std::int64_t r) {
    if (r >= rows) return Vector<T>{};
    const T* from = x + r * columns;
    const auto sum =
        pairwise_sum<Vector<T>>(whole / lanes<T>, [=](std::int64_t j) { return load(from + j * lanes<T>); });
    return whole < columns ? sum + rest.load(from + whole) : sum;
  };
  Vector<T> part[] = {row(static_cast<std::int64_t>(i))...};
  transpose_stages<1, T>(part, all);
  written.store(y, (part[i] + ...));
}

template <class T, int count>
struct Vectors {
  Vector<T> x[count];

  Vectors operator+(const Vectors& other) const {
    Vectors sum;
#pragma GCC unroll 4
    for (int v = 0; v < count; ++v) sum.x[v] = x[v] + other.x[v];
    return sum;
  }
};

/// Column sums of `vectors` vectors of columns, of the last one its first `count`.
template <int vectors, class T>
inline void column_sums(const T* x, std::int64_t rows, std::int64_t columns, std::int64_t count, T* y) {
  const Head<T> last(count);
  const auto sum = pairwise_sum<Vectors<T, vectors>>(rows, [=](std::int64_t i) {
    const T* from = x + i * columns;
    Vectors<T, vectors> row;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      row.x[v] = v == vectors - 1 ? last.load(from + v * lanes<T>) : load(from + v * lanes<T>);
    return row;
  });
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v)
    if (v == vectors - 1)
      last.store(y + v * lanes<T>, sum.x[v]);
    else
      store(y + v * lanes<T>, sum.x[v]);
}

template <class T>
void sums(const T* x, std::int64_t rows, std::int64_t columns, T* over_columns, T* over_rows) {
  if (over_columns)
    for (std::int64_t i = 0; i < rows; i += lanes<T>)
      row_sums(x + i * columns, rows - i, columns, over_columns + i,
               std::make_index_sequence<static_cast<std::size_t>(lanes<T>)>{});
  for (std::int64_t j = 0; over_rows && j < columns; j += 4 * lanes<T>) {
    const std::int64_t vectors = (columns - j + lanes<T> - 1) / lanes<T>, last = columns - j - (vectors - 1) * lanes<T>;
    if (vectors > 3)
      column_sums<4>(x + j, rows, columns, vectors > 4 ? lanes<T> : last, over_rows + j);
    else if (vectors == 3)
      column_sums<3>(x + j, rows, columns, last, over_rows + j);
    else if (vectors == 2)
      column_sums<2>(x + j, rows, columns, last, over_rows + j);
    else
      column_sums<1>(x + j, rows, columns, last, over_rows + j);
  }
}

template <class T>
void copy_rows(const T* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns, T* y, std::int64_t y_stride,
               bool accumulate) {
  for (std::int64_t i = 0; i < rows; ++i, x += x_stride, y += y_stride)
    if (accumulate) {
#pragma omp simd
      for (std::int64_t j = 0; j < columns; ++j) y[j] += x[j];
    } else {
#pragma omp simd
      for (std::int64_t j = 0; j < columns; ++j) y[j] = x[j];
    }
}

template <class T>
void outer_sum(const T* u, std::int64_t rows, const T* v, std::int64_t columns, T* y) {
  for (std::int64_t i = 0; i < rows; ++i, y += columns) {
    const T s = u[i];
#pragma omp simd
    for (std::int64_t j = 0; j < columns; ++j) y[j] = s + v[j];
  }
}

/// f(first, count) for runs of up to `entries` of n numbers, which are treated side by side.
inline constexpr std::int64_t entries = 16;
template <class F>
inline void each_run(std::int64_t n, const F& f) {
  for (std::int64_t i = 0; i < n; i += entries) f(i, n - i < entries ? n - i : entries);
}

/// Σ_k term(k, i) for i in [0, count), the sums side by side.
template <class T, class F>
inline SideBySide<T, entries> sums_of(std::int64_t terms, std::int64_t count, const F& term) {
  return pairwise_sum<SideBySide<T, entries>>(terms, [&](std::int64_t k) {
    SideBySide<T, entries> at{};
    if (count == entries) {
#pragma omp simd
      for (std::int64_t i = 0; i < entries; ++i) at.x[i] = term(k, i);
    } else {
      for (std::int64_t i = 0; i < count; ++i) at.x[i] = term(k, i);
    }
    return at;
  });
}

template <class T>
void inverse_norms(const T* x, std::int64_t channels, std::int64_t n, T* inverse) {
  each_run(n, [=](std::int64_t first, std::int64_t count) {
    const T* from = x + first;
    const auto squares =
        sums_of<T>(channels, count, [=](std::int64_t c, std::int64_t i) { return from[c * n + i] * from[c * n + i]; });
    for (std::int64_t i = 0; i < count; ++i) {
      const T norm = math::sqrt(squares.x[i]);
      inverse[first + i] = T(1) / (norm > T(1e-12) ? norm : T(1e-12));
    }
  });
}

template <class T>
void scaled_sums(const schedule::EntrySums& s, const T* x, const T* inverse, T* y) {
  const std::int64_t n = s.rows * s.run, targets = s.rows / s.rows_of_target;
  for (std::int64_t c = 0; c < s.channels; ++c, x += n, y += s.kept)
    for (std::int64_t t = 0; t < targets; ++t) {
      const std::int64_t* rows = s.by_target + t * s.rows_of_target;
      T* to = y + s.to[rows[0]];
      if (s.keeps_run) {
        each_run(s.run, [=](std::int64_t first, std::int64_t count) {
          const auto sums = sums_of<T>(s.rows_of_target, count, [=](std::int64_t k, std::int64_t i) {
            const std::int64_t at = rows[k] * s.run + first + i;
            return x[at] * inverse[at];
          });
          for (std::int64_t i = 0; i < count; ++i) to[first + i] = sums.x[i];
        });
      } else {
        *to = pairwise_sum<T>(s.rows_of_target, [=](std::int64_t k) {
          const T *row = x + rows[k] * s.run, *scale = inverse + rows[k] * s.run;
          return SerialTeam{}.sum<T>(s.run, [=](std::int64_t i) { return row[i] * scale[i]; });
        });
      }
    }
}

template <class T>
void scaled_sums_vjp(const schedule::EntrySums& s, const T* x, const T* inverse, const T* gy, T* gx, bool accumulate) {
  const std::int64_t n = s.rows * s.run, step = s.keeps_run ? 1 : 0;
  for (std::int64_t r = 0; r < s.rows; ++r)
    each_run(s.run, [=](std::int64_t first, std::int64_t count) {
      const std::int64_t at = r * s.run + first;
      const T *from = x + at, *scale = inverse + at, *g = gy + s.to[r] + step * first;
      T* to = gx + at;
      auto along = sums_of<T>(s.channels, count, [=](std::int64_t c, std::int64_t i) {
        return g[c * s.kept + step * i] * from[c * n + i];
      });
      for (std::int64_t i = 0; i < count; ++i) along.x[i] *= scale[i] * scale[i];
      for (std::int64_t c = 0; c < s.channels; ++c)
#pragma omp simd
        for (std::int64_t i = 0; i < count; ++i) {
          const T gradient = scale[i] * (g[c * s.kept + step * i] - from[c * n + i] * along.x[i]);
          to[c * n + i] = accumulate ? to[c * n + i] + gradient : gradient;
        }
    });
}

template <class T>
constexpr schedule::KernelsOf<T> table = {factors<T>,       factors_vjp<T>, transpose_all<T>,  fourier<T>,
                                          scale_rows<T>,    sums<T>,        copy_rows<T>,      outer_sum<T>,
                                          inverse_norms<T>, scaled_sums<T>, scaled_sums_vjp<T>};

}  // namespace

extern const schedule::Kernels layer_kernels;
const schedule::Kernels layer_kernels = {table<float>, table<double>};

}  // namespace weft::inline WEFT_ISA
