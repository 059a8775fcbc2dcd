#pragma once
// Sizes and memory layout shared by the schedules of E and I. All arrays of one network are contiguous; a batch is
// network after network.

#include <cstdint>
#include <span>
#include <type_traits>

#include "weft/nfn/magep/end_vector.h"
#include "weft/nfn/magep/term_numbers.h"
#include "weft/nfn/schedule.h"

namespace weft::magep {

using namespace schedule;

/// One call: widths n_0..n_L, channels, networks.
struct Sizes {
  std::span<const std::int64_t> n;
  std::int64_t d = 0, e = 0, batch = 0;

  int L() const { return static_cast<int>(n.size()) - 1; }
  std::int64_t width(int i) const { return n[static_cast<std::size_t>(i)]; }
  std::int64_t n0() const { return n.front(); }
  std::int64_t nL() const { return n.back(); }
  /// Entries of W^(i).
  std::int64_t weight(int i) const { return width(i) * width(i - 1); }
  /// Entries of [W]^(L,t).
  std::int64_t suffix(int t) const { return nL() * width(t); }
};

/// Memory per layer 1..L (or 0..L) of a batch: features, gradients and saved intermediates.
template <class T>
struct PerLayer {
  T** data = nullptr;
  std::int64_t* stride = nullptr;  ///< from one network to the next

  operator PerLayer<const T>() const requires(!std::is_const_v<T>) { return {const_cast<const T**>(data), stride}; }
  T* operator()(int i, std::int64_t net) const { return data[i] + net * stride[i]; }
};

/// Something of each phi of one layer, by their numbers from 1.
template <class P>
struct PhiTable {
  P W[5], b[9];
};

/// The constants Ψ [d, n_0, n_L] and Ψ' [d, 1, n_L] by the pairs (s, t) that name them, or their gradients: null where
/// none is wanted.
template <class T>
struct Psi {
  static constexpr int kinds = 6;
  T** at[kinds];  ///< each [L + 1]

  T* WW_zero(int i) const { return at[0][i]; }  ///< (i, 0), i = 1..L
  T* bW_zero(int i) const { return at[1][i]; }
  T* WW_below(int i) const { return at[2][i]; }  ///< (i, i-1), i = 2..L
  T* bW_below(int i) const { return at[3][i]; }
  T* WW_trace(int s) const { return at[4][s]; }  ///< (s, s), s = 1..L-1
  T* bW_trace(int s) const { return at[5][s]; }
};

inline std::int64_t psi_size(const Sizes& z, int kind) { return z.d * z.nL() * (kind % 2 == 0 ? z.n0() : 1); }

}  // namespace weft::magep
