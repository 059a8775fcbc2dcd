#pragma once
// E and I on a device: sizes, the table of layers that the kernels read, and where each of a layer's arrays has its
// numbers. The algebra is that of spec 2.4; nfn/magep/device_schedule.h says which kernel does what. Light: nvcc reads
// it.

#include <cstdint>

#include "weft/core/math.h"
#include "weft/core/quotient.h"
#include "weft/nfn/magep/end_vector.h"

namespace weft::magep {

/// One call, as Sizes.
struct DeviceSizes {
  int layers, inputs, outputs, d, e;
  bool equivariant;  ///< E, else I, which has suffixes and the vector of layer L alone
  std::int64_t batch;

  WEFT_HD int L() const { return layers; }
  WEFT_HD int n0() const { return inputs; }
  WEFT_HD int nL() const { return outputs; }
  /// [WW] and [bW] below layer i > 1, with their left factors U, V and right factors R of `rank` rows:
  ///     Φ2 [WW] + Φ3 [bW] = T R,   T_(e,j),(d,r) = Φ2_ed U_d,r,j + Φ3_ed V_d,r,j
  /// either R = S_{i-1} with U = [W]^(i,0) Ψ, V = b Ψ' or U = [W]^(i,0), V = b with R = Ψ S_{i-1}, Ψ' S_{i-1} below:
  /// whichever has fewer rows, since T R costs `rank` mixes of channels.
  WEFT_HD bool by_suffix() const { return outputs <= inputs + 1; }
  WEFT_HD int rank() const { return by_suffix() ? outputs : inputs + 1; }
  /// Columns of M_i: rows of a stack X_i = [ [W]^(i,0) | [WW]^(i,0)(L,0) | [bW]^(i)(L,0) | B_i (i > 1) | b^(i) ].
  WEFT_HD std::int64_t stack_rows(int i) const { return 3 * std::int64_t{d} * inputs + (i > 1 ? 2 : 1) * d; }
  /// Rows of M_i: (e, k) of W^(1) and e of b^(1), or e of b^(i).
  WEFT_HD std::int64_t mix_rows(int i) const { return i == 1 ? std::int64_t{e} * (inputs + 1) : e; }
  /// Numbers of one network's vector of layer L; the last one is 1, for the constant φ8.
  WEFT_HD std::int64_t end_size() const { return EndVector(*this).size + 1; }
};

/// What layer i has, batch after batch unless said otherwise; layer 0 has S and n alone.
template <class T>
struct DeviceLayer {
  int n;                       ///< n_i
  const T *W, *b;              ///< as the layer reads them: [d, n_i, n_{i-1}], [d, n_i]
  const T *W_input, *b_input;  ///< before activation and mask
  const T* uniform;            ///< [d]: the weight's channels below the rate are dropped; or null
  T *W_read, *b_read;          ///< where W and b are written; null where they are the inputs
  const T* psi[6];             ///< as Psi in sizes.h
  T* S;                        ///< [W]^(L,i), i < L: [d, n_L, n_i]; of i = L - 1 it is W^(L), which nobody writes
  T* X;                        ///< i < L: [stack_rows, batch, n_i]
  T *M, *m;                    ///< Ψ(i,0) S_0 [d, n_0, n_0], Ψ'(i,0) S_0 [d, n_0]; of I only i = L has them
  T *U, *V;                    ///< i > 1: [n_i, d, rank]
  T* R;                        ///< i > 1: [d, rank, n_{i-1}]
  const T *mix2, *mix3;        ///< i > 1: Φ2 and Φ3 of W^(i), [e, d]; of layer L packed as [e, j, p, d]
  T *W_out, *b_out;            ///< outputs: [e, n_i, n_{i-1}], [e, n_i]
};

/// Their cotangents, and where the gradients go.
template <class T>
struct DeviceGradient {
  const T* W;              ///< of W through its mix with Φ1; null for i = 1 and for I
  T* b;                    ///< [d, n_i]
  T* psi[6];               ///< partial sums of the first network, null where not wanted
  T* S;                    ///< i < L: [d, n_L, n_i], first what comes by R_{i+1}, then all
  T* S_parts;              ///< what layer i > 0 gives to S_0: [d, n_L, n_0]
  T* X;                    ///< as in DeviceLayer
  T *M, *m;                ///< scratch
  T *U, *V, *R;            ///< as in DeviceLayer
  T* chain;                ///< of [W]^(i,0) and B_i, i < L: [d, n_0 + 1, n_i]
  T *mix2, *mix3;          ///< partial sums of the first network
  const T *W_out, *b_out;  ///< as in DeviceLayer
  T *W_to, *b_to;          ///< gradients of the inputs, null where not wanted
  T W_beta, b_beta;
};

inline namespace WEFT_ISA {

/// Numbers [q, j] of one network and channel.
template <class T>
struct Grid {
  T* p;
  std::int64_t q, j;
  WEFT_HD T& operator()(int a, int b) const { return p[a * q + b * j]; }
};

/// Part 0 ([W]^(i,0)), 1 ([WW]) or 2 ([bW]) of a stack X of layers of width n.
template <class T>
WEFT_HD Grid<T> stack(const DeviceSizes& z, T* X, int n, int part, std::int64_t net, int c) {
  const std::int64_t row = (std::int64_t{part} * z.d + c) * z.n0();
  return {X + (row * z.batch + net) * n, z.batch * n, 1};
}
/// Rows B_i (i > 1) and b^(i) of it.
template <class T>
WEFT_HD T* stack_Wb(const DeviceSizes& z, T* X, int n, std::int64_t net, int c) {
  return X + ((3 * std::int64_t{z.d} * z.n0() + c) * z.batch + net) * n;
}
template <class T>
WEFT_HD T* stack_b(const DeviceSizes& z, T* X, int i, int n, std::int64_t net, int c) {
  return X + ((3 * std::int64_t{z.d} * z.n0() + (i > 1 ? z.d : 0) + c) * z.batch + net) * n;
}
/// The same of layer L: the part that begins at `offset` of the vectors x.
template <class T>
WEFT_HD Grid<T> end_part(const DeviceSizes& z, T* x, std::int64_t offset, std::int64_t net, int c) {
  return {x + net * z.end_size() + offset + std::int64_t{c} * z.nL() * z.n0(), 1, z.n0()};
}

/// Matrix c of network `net`.
template <class T>
WEFT_HD T* of(const DeviceSizes& z, T* p, std::int64_t size, std::int64_t net, int c) {
  return p + (net * z.d + c) * size;
}
template <class T>
WEFT_HD const T* suffix_of(const DeviceSizes& z, const DeviceLayer<T>* layer, int t, std::int64_t net, int c) {
  return of<const T>(z, layer[t].S, std::int64_t{z.nL()} * layer[t].n, net, c);
}
/// [W]^(i,0) as [q, j].
template <class T>
WEFT_HD Grid<const T> prefix_of(const DeviceSizes& z, const DeviceLayer<T>* layer, int i, std::int64_t net, int c) {
  if (i == 1) return {of(z, layer[1].W, std::int64_t{layer[1].n} * z.n0(), net, c), 1, z.n0()};
  if (i == z.L()) return {suffix_of(z, layer, 0, net, c), 1, z.n0()};
  return stack<const T>(z, layer[i].X, layer[i].n, 0, net, c);
}

/// Who team `at` works for: channel c of network `net` in layer i, from layer 1.
struct Place {
  int i, c;
  std::int64_t net;
  WEFT_HD Place(const DeviceSizes& z, std::int64_t at) {
    const std::int64_t row = at / z.d, layer = row / z.batch;
    c = static_cast<int>(at - row * z.d);
    net = row - layer * z.batch;
    i = static_cast<int>(layer) + 1;
  }
};

inline constexpr int tile = 32;
template <class T>
inline constexpr std::int64_t tile_bytes = tile*(tile + 1) * std::int64_t{sizeof(T)};

/// out(q, j, sum, first) for all rows q and j < n: the sum over k of W_jk in(q, k), in pieces of 32; `first` is the
/// first one. W, [n, width], goes through shared memory, where neighbouring lanes read different banks.
template <class T, class Team, class In, class Out>
WEFT_HD void times_rows(const Team& team, const T* W, int n, int width, int rows, const In& in, const Out& out,
                        T* shared) {
  for (int j0 = 0; j0 < n; j0 += tile)
    for (int k0 = 0; k0 < width; k0 += tile) {
      const int js = n - j0 < tile ? n - j0 : tile, ks = width - k0 < tile ? width - k0 : tile;
      team.each(js * tile, [=](std::int64_t o) {
        const int j = static_cast<int>(o) / tile, k = static_cast<int>(o) % tile;
        if (k < ks) shared[j * (tile + 1) + k] = W[std::int64_t{j0 + j} * width + k0 + k];
      });
      team.each(std::int64_t{rows} * tile, [=](std::int64_t o) {
        const int q = static_cast<int>(o / tile), j = static_cast<int>(o % tile);
        if (j >= js) return;
        T sum = 0;
        for (int k = 0; k < ks; ++k) sum = math::fma(shared[j * (tile + 1) + k], in(q, k0 + k), sum);
        out(q, j0 + j, sum, k0 == 0);
      });
    }
}

}  // namespace WEFT_ISA
}  // namespace weft::magep
