// Compiled once per instruction set.

#include "weft/networks/siren/siren_kernels.h"

#include "weft/core/gemm_vector.h"
#include "weft/core/math.h"

namespace weft::inline WEFT_ISA {

namespace {

/// Both of one argument, whose quadrant is found once.
inline void sine_and_cosine(float x, float& a, float& d) {
  std::uint32_t n;
  const float r = math::reduce_half_pi(x, n);
  a = math::sin_of_quadrant(r, n);
  d = math::sin_of_quadrant(r, n + 1);
}

void sines(float* z, float* d, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) sine_and_cosine(z[i], z[i], d[i]);
}

void first(const SirenFirst& f) {
  for (std::int64_t r = 0; r < f.rows; ++r) {
    const Vector<float> row = broadcast(f.places[2 * r]), column = broadcast(f.places[2 * r + 1]);
    for (std::int64_t j = 0; j < f.width; j += lanes<float>)
      store(f.a + r * f.width + j, fma(column, load(f.w + f.width + j), fma(row, load(f.w + j), load(f.b + j))));
  }
  sines(f.a, f.d, f.rows * f.width);
}

float last(const SirenLast& l) {
  float sum = 0;
  for (std::int64_t r = 0; r < l.rows; ++r)
    for (std::int64_t c = 0; c < l.channels; ++c) {
      const float *a = l.a + r * l.width, *w = l.w + c * l.width;
      Vector<float> products{};
      for (std::int64_t j = 0; j < l.width; j += lanes<float>) products = fma(load(a + j), load(w + j), products);
      const float error = l.b[c] + sum_of_lanes(products) - l.target[r * l.channels + c];
      l.error[r * l.channels + c] = error;
      sum += error * error;
    }
  return sum;
}

void last_vjp(const SirenLastVjp& l) {
  for (std::int64_t j = 0; j < l.width; j += lanes<float>) {
    for (std::int64_t c = 0; c < l.channels; ++c) {
      Vector<float> sum = load(l.gw + c * l.width + j);
      const Vector<float> w = load(l.w + c * l.width + j);
      for (std::int64_t r = 0; r < l.rows; ++r) {
        const std::int64_t at = r * l.width + j;
        const Vector<float> error = broadcast(l.error[r * l.channels + c]);
        sum = fma(error, load(l.a + at), sum);
        store(l.gz + at, c == 0 ? error * w : fma(error, w, load(l.gz + at)));
      }
      store(l.gw + c * l.width + j, sum);
    }
    // Slopes come in once all channels are summed.
    Vector<float> bias = load(l.gb + j);
    for (std::int64_t r = 0; r < l.rows; ++r) {
      const std::int64_t at = r * l.width + j;
      const Vector<float> back = load(l.gz + at) * load(l.d + at);
      bias += back;
      store(l.gz + at, back);
    }
    store(l.gb + j, bias);
  }
}

void first_vjp(const SirenFirstVjp& f) {
  for (std::int64_t j = 0; j < f.width; j += lanes<float>) {
    Vector<float> by_row = load(f.gw + j), by_column = load(f.gw + f.width + j), bias = load(f.gb + j);
    for (std::int64_t r = 0; r < f.rows; ++r) {
      const Vector<float> of_phase = load(f.g + r * f.width + j) * load(f.d + r * f.width + j);
      by_row = fma(of_phase, broadcast(f.places[2 * r]), by_row);
      by_column = fma(of_phase, broadcast(f.places[2 * r + 1]), by_column);
      bias += of_phase;
    }
    store(f.gw + j, by_row);
    store(f.gw + f.width + j, by_column);
    store(f.gb + j, bias);
  }
}

}  // namespace

extern const SirenKernels siren_kernels;
const SirenKernels siren_kernels = {first, sines, last, last_vjp, first_vjp};

}  // namespace weft::inline WEFT_ISA
