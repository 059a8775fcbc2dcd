#pragma once
// One call of E (spec 2.2): what its forward pass computes, saves and takes back. Internal to nfn/magep.
//
// Hidden layer i < L: everything that b^(i) (and, for i = 1, W^(1)) is mixed from is a stack of rows over j,
//     X_i = [ [W]^(i,0)_jq | [WW]^(i,0)(L,0)_jq | [bW]^(i)(L,0)_jq | B_i (i > 1) | b^(i) ]      rows (d, q) or d
// and one packed matrix holds the phis of its terms: Y_i = M_i X_i, rows e (for i = 1: rows (e, k) of W^(1), then e).
// Weight of layer i > 1, with c = (d, q): the right factors R_c,k of [WW] (q < n_0) and [bW] (q = n_0),
//     n_L > 1, i < L   [WW] and [bW] are formed tile by tile and mixed
//     n_L > 1, i = L   Φ2, Φ3 are contracted with the left factors first: T_(e,j),c, then T R
//     n_L = 1          the right factor of both is S_{i-1}, the left one Φ2_ed c_dj + Φ3_ed c'_dj: one more mix in all
// (spec 2.4: the cheapest by flops). The vector of layer L: suffix.h.

#include "weft/nfn/layer_kernels.h"
#include "weft/nfn/magep/tables.h"

namespace weft::magep {

template <class T>
struct Schedule : SuffixState<T> {
  PerLayer<T> X;                      ///< 1..L-1
  PerLayer<T> R;                      ///< 2..L: [n_0 + 1, d, n_{i-1}]; for n_L = 1 the factors c, c': [2, n_i, d]
  T** mix = nullptr;                  ///< M_i, 1..L-1
  T* left = nullptr;                  ///< T: [n_0 + 1, d, batch, e, n_L] for n_L > 1
  PhiTable<const T*>* phi = nullptr;  ///< 1..L
  T* last_in = nullptr;               ///< W^(L) as read (n_L > 1): [d, n_L, batch, n_{L-1}]
  PerLayer<T> W_out, b_out;

  bool factored() const { return this->z.nL() == 1; }
  std::int64_t prefix_rows() const { return this->z.d * this->z.n0(); }
  std::int64_t stack_rows(int i) const { return 3 * prefix_rows() + (i > 1 ? 2 : 1) * this->z.d; }
  std::int64_t mix_rows(int i) const { return i == 1 ? this->z.e * (this->z.n0() + 1) : this->z.e; }
  /// Rows of a stack: prefixes, [WW], [bW] of size prefix_rows, then B (i > 1) and b.
  T* stack(int i, std::int64_t net, int part) const { return X(i, net) + part * prefix_rows() * this->z.width(i); }
  T* stack_Wb(int i, std::int64_t net) const { return stack(i, net, 3); }
  T* stack_b(int i, std::int64_t net) const { return stack(i, net, 3) + (i > 1 ? this->z.d * this->z.width(i) : 0); }
  /// Rows j of an inner weight whose [WW] and [bW] fit the first caches.
  std::int64_t tile_rows(int i) const;
  /// The first layer from which on weights are handled network by network as inner ones: 2..last_inner().
  int last_inner() const { return factored() ? this->z.L() : this->z.L() - 1; }
  /// Left factors of layer i as in a stack: [d, q, j] and [d, j].
  const T* prefix(int i, std::int64_t net) const { return i < this->z.L() ? stack(i, net, 0) : this->suffix(0, net); }
};

template <class T>
void forward(const Schedule<T>& s, Arena& arena);

/// What a vjp reads and writes, by layer.
template <class T>
struct LayerGradients : FeatureGradients<T> {
  PerLayer<const T> W_y, b_y;  ///< cotangents of the outputs
  PhiTable<Grad<T>>* phi;
};

template <class T>
void vjp(const Schedule<T>& s, const LayerGradients<T>& g, Arena& arena);

/// Q_j of layer i and row j, [e, d] (n_L = 1).
template <class T>
void left_factors(const Schedule<T>& s, int i, std::int64_t net, std::int64_t j, T* q) {
  const std::int64_t d = s.z.d;
  const T* c = s.R(i, net) + j * d;
  kernels<T>().factors(s.phi[i].W[from_WW], s.phi[i].W[from_bW], c, c + s.z.width(i) * d, s.z.e, d, q);
}

/// Tile [j0, j0 + rows) of [WW]^(i,0)(L,i-1) and [bW]^(i)(L,i-1): [2, d, rows, n_{i-1}] (n_L > 1).
template <class T>
void form_tile(const Schedule<T>& s, int i, std::int64_t net, std::int64_t j0, std::int64_t rows, T* tile);

/// B_{i}-chain input of layer i: [d, n_0 + 1, n_{i-1}], rows [W]^(i-1,0)_q and b^(i-1) + B_{i-1}.
template <class T>
void chain_input(const Schedule<T>& s, int i, std::int64_t net, T* to);

}  // namespace weft::magep
