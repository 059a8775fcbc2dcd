#pragma once
// The terms that end in layer L, for one network: the suffixes [W]^(L,t) (spec 2.1) and the vector of everything that
// b^(L) of E and the invariant layer I are mixed from. Only suffixes are needed: B_L = Σ_s [W]^(L,s) b^(s), and
// tr([WW]^(s,0)(L,s)) = Σ_pq Ψ_qp [W]^(L,0)_pq (spec 2.4).

#include <algorithm>

#include "weft/nfn/magep/sizes.h"
#include "weft/nfn/reading_schedule.h"

namespace weft::magep {

/// Of a batch: features, and what the forward pass saves.
template <class T>
struct SuffixState {
  Sizes z;
  PerLayer<const T> W, b;  ///< 1..L
  PerLayer<T> S;           ///< S_t = [W]^(L,t), [d, n_L, n_t], t = 0..L-2
  PerLayer<T> M, m;        ///< by i: Ψ(i,0) S_0 [d, n_0, n_0] and Ψ'(i,0) S_0 [d, n_0]; I has only i = L
  T* x;                    ///< [batch, EndVector::size]
  Psi<const T> psi;
  Reading<T> reading;
  const T* const* mask = nullptr;  ///< by i, of W^(i): [batch, d], or null

  const T* mask_of(int i, std::int64_t net) const { return mask && mask[i] ? mask[i] + net * z.d : nullptr; }
  /// [W]^(L,t), t < L.
  const T* suffix(int t, std::int64_t net) const { return t == z.L() - 1 ? W(t + 1, net) : S(t, net); }
};

/// One worker's copy of the features of one network, as the layer reads them, or of their cotangents: the same memory
/// for every network.
template <class T>
struct OneNetwork {
  PerLayer<T> W, b;

  OneNetwork(Arena& arena, const Sizes& z);
  /// Fills it with network `net` of what `state` reads, and lets `view` read it instead.
  void read(const SuffixState<T>& state, std::int64_t net, SuffixState<T>& view) const;
};

/// Their cotangents, of one network. Everything accumulates.
template <class T>
struct SuffixGradient {
  T* const* S;  ///< [d, n_L, n_t], t = 0..L-1
  T* const* b;  ///< [d, n_i], i = 1..L
  Psi<T> psi;
};

/// Fills S of network `net`.
template <class T>
void suffixes(const SuffixState<T>& state, std::int64_t net);

/// Fills M and m of layer i, the right factors of [WW]^(i,0)(L,0) and [bW]^(i)(L,0).
template <class T>
void middle(const SuffixState<T>& state, int i, std::int64_t net);

/// Takes the cotangents of M and m into those of S_0 and Ψ.
template <class T>
void middle_vjp(const SuffixState<T>& state, int i, std::int64_t net, const T* gM, const T* gm,
                const SuffixGradient<T>& to);

/// Fills x (and M, m of layer L).
template <class T>
void end_vector(const SuffixState<T>& state, std::int64_t net);

/// gx: the cotangent of x of this network. scratch: end_vector_scratch() numbers.
template <class T>
void end_vector_vjp(const SuffixState<T>& state, std::int64_t net, const T* gx, const SuffixGradient<T>& to,
                    T* scratch);
std::int64_t end_vector_scratch(const Sizes& z);

/// Takes the cotangents of all suffixes, which are used up, into those of the weights: gW[i] = beta[i] gW[i] + …;
/// without beta it adds.
template <class T>
void suffixes_vjp(const SuffixState<T>& state, std::int64_t net, T* const* gS, const PerLayer<T>& gW, const T* beta);

}  // namespace weft::magep
