#pragma once
// The table of kernels of one instruction set for implicit networks (networks/siren/siren_population.cpp), run by the
// calling thread on a few pixels of one network. Neurons are the fastest axis, padded with zeros to whole multiples of
// channel_lanes (networks/population/product_kernels.h).

#include <cstdint>

namespace weft {

/// a = sin(z), d = cos(z) with z[r, j] = b[j] + Σ_k places[r, k] w[k, j]: the layer that reads where pixels lie.
struct SirenFirst {
  std::int64_t rows, width;
  const float* places;  ///< [rows, 2]
  const float *w, *b;   ///< [2, width], [width]
  float *a, *d;         ///< [rows, width]
};

/// y[r, c] = b[c] + Σ_j a[r, j] w[c, j], and its squared error against the target.
struct SirenLast {
  std::int64_t rows, width, channels;
  const float* a;       ///< [rows, width]
  const float *w, *b;   ///< [channels, width], [channels]
  const float* target;  ///< [rows, channels]
  float* error;         ///< [rows, channels]: y - target
};

/// Back through the last layer and the sines before it: gz[r, j] = d[r, j] Σ_c error[r, c] w[c, j];
/// gw[c, j] += Σ_r error[r, c] a[r, j]; gb[j] += Σ_r gz[r, j], of the bias inside those sines.
struct SirenLastVjp {
  std::int64_t rows, width, channels;
  const float *a, *d;   ///< [rows, width]
  const float* w;       ///< [channels, width]
  const float* error;   ///< [rows, channels]
  float *gz, *gw, *gb;  ///< [rows, width], [channels, width], [width]
};

/// Back through the first layer: gw[k, j] += Σ_r g[r, j] d[r, j] places[r, k] for the two coordinates k;
/// gb[j] += Σ_r g[r, j] d[r, j].
struct SirenFirstVjp {
  std::int64_t rows, width;
  const float *g, *d;   ///< [rows, width]
  const float* places;  ///< [rows, 2]
  float *gw, *gb;       ///< [2, width], [width]
};

struct SirenKernels {
  void (*first)(const SirenFirst&);
  /// z becomes sin(z); d = cos(z).
  void (*sines)(float* z, float* d, std::int64_t n);
  /// Returns the sum of the squares of the errors.
  float (*last)(const SirenLast&);
  void (*last_vjp)(const SirenLastVjp&);
  void (*first_vjp)(const SirenFirstVjp&);
};

}  // namespace weft
