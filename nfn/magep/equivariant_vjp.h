#pragma once
// What the stages of E's backward pass share. Internal to nfn/magep.

#include "weft/nfn/magep/schedule.h"

namespace weft::magep {

/// Intermediate cotangents of the batch.
template <class T>
struct VjpState {
  const Schedule<T>& s;
  const LayerGradients<T>& g;
  PerLayer<T> stack = {};  ///< of Y_i, 1..L-1: [mix_rows, n_i]
  T* last_W = nullptr;     ///< of W^(L) (n_L > 1): [e, n_L, batch, n_{L-1}]
  T* phi_last = nullptr;   ///< Φ1 of W^(L) as [e, j, d, p]
  T** mix = nullptr;       ///< of M_i
  T* left = nullptr;       ///< of T
  T* mixed = nullptr;      ///< Σ_e Φ gT: [n_0 + 1, d, batch, n_L]
  T* x = nullptr;          ///< of the vector of layer L
};

/// to[at + i to_stride] = beta to[…] + from[i], i < n.
template <class T>
inline void add_row(const T* from, std::int64_t n, const Grad<T>& to, std::int64_t at, std::int64_t to_stride) {
  for (std::int64_t i = 0; i < n; ++i) {
    T& y = to.data[at + i * to_stride];
    y = from[i] + (to.beta == T(0) ? T(0) : y);
  }
}

/// The last stage: network by network, to the features, Ψ and the inner Φ.
template <class T>
void walk_networks(const VjpState<T>& v, Arena& arena);

}  // namespace weft::magep
