#pragma once
// Loops of the schedules that are compiled once per instruction set.

#include <cstdint>

namespace weft::schedule {

/// Sums over some of the entries of a feature [channels, rows, run]: entry (c, r, i) adds to (c, to[r] + i) of
/// [channels, kept], or to (c, to[r]) unless `keeps_run`.
struct EntrySums {
  std::int64_t channels, rows, run, kept;
  bool keeps_run;
  const std::int64_t* to;
  std::int64_t rows_of_target;  ///< that have the same `to`
  const std::int64_t*
      by_target;  ///< [rows / rows_of_target, rows_of_target]: rows with the same `to` beside each other
};

template <class T>
struct KernelsOf {
  /// q[e, d] = a2[e, d] c2[d] + a3[e, d] c3[d]: the left factors of one row of an inner weight when n_L = 1.
  void (*factors)(const T* a2, const T* a3, const T* c2, const T* c3, std::int64_t e, std::int64_t d, T* q);
  /// g2[e, d] += gq c2, g3 += gq c3, gc2[d] = Σ_e a2 gq, gc3[d] = Σ_e a3 gq.
  void (*factors_vjp)(const T* a2, const T* a3, const T* c2, const T* c3, const T* gq, std::int64_t e, std::int64_t d,
                      T* g2, T* g3, T* gc2, T* gc3);
  /// y[j, i] = x[i, j] for x: [rows, columns] with rows x_stride apart; rows of y are padded(rows) apart, and written
  /// whole.
  void (*transpose)(const T* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns, T* y);
  /// y[k, i] = sin(2π f_k x_i) for k < m and, unless `sines`, y[m + k, i] = cos(2π f_k x_i): [m or 2 m, n].
  void (*fourier)(const T* x, std::int64_t n, const T* f, std::int64_t m, bool sines, T* y);
  /// y[r, i] = scale[r] x[r, i]; x may be y.
  void (*scale_rows)(const T* x, const T* scale, std::int64_t rows, std::int64_t n, T* y);
  /// over_columns[i] = Σ_j x[i, j], over_rows[j] = Σ_i x[i, j] for x: [rows, columns]; null: not wanted.
  void (*sums)(const T* x, std::int64_t rows, std::int64_t columns, T* over_columns, T* over_rows);
  /// y[i, j] = x[i, j], or y[i, j] += x[i, j], rows x_stride and y_stride apart.
  void (*copy_rows)(const T* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns, T* y,
                    std::int64_t y_stride, bool accumulate);
  /// y[i, j] = u[i] + v[j].
  void (*outer_sum)(const T* u, std::int64_t rows, const T* v, std::int64_t columns, T* y);
  /// inverse[i] = 1 / max(|x[:, i]|, 1e-12) for x: [channels, n].
  void (*inverse_norms)(const T* x, std::int64_t channels, std::int64_t n, T* inverse);
  /// y = Σ inverse x, inverse: [rows, run], one for all channels.
  void (*scaled_sums)(const EntrySums& s, const T* x, const T* inverse, T* y);
  /// gx of that, or added to it, with `inverse` as inverse_norms' of x.
  void (*scaled_sums_vjp)(const EntrySums& s, const T* x, const T* inverse, const T* gy, T* gx, bool accumulate);
};

struct Kernels {
  KernelsOf<float> f32;
  KernelsOf<double> f64;
};

/// For the current instruction set.
template <class T>
const KernelsOf<T>& kernels();

}  // namespace weft::schedule
