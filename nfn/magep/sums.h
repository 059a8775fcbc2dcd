#pragma once
// Gradients of Ψ, which every network adds to.

#include "weft/nfn/magep/tables.h"

namespace weft::magep {

/// The wanted ones among Ψ's gradients, in the sums.
template <class T>
class PsiSums {
 public:
  PsiSums(PartialSums<T>& sums, const Psi<Grad<T>>& gradients, const Sizes& z, Arena& arena) : L_(z.L()) {
    for (int kind = 0; kind < Psi<T>::kinds; ++kind) {
      offset_[kind] = numbers<std::int64_t>(arena, L_ + 1);
      for (int i = 0; i <= L_; ++i) {
        const Grad<T>* to = gradients.at[kind][i];
        offset_[kind][i] = to ? sums.add(*to, psi_size(z, kind)) : -1;
      }
    }
  }
  static Psi<T> table(Arena& arena, int L) {
    Psi<T> psi;
    for (T**& at : psi.at) at = numbers<T*>(arena, L + 1);
    return psi;
  }
  /// Lets `psi` point into one leaf of the sums.
  void point(const Psi<T>& psi, T* leaf) const {
    for (int kind = 0; kind < Psi<T>::kinds; ++kind)
      for (int i = 0; i <= L_; ++i) psi.at[kind][i] = offset_[kind][i] < 0 ? nullptr : leaf + offset_[kind][i];
  }

 private:
  int L_;
  std::int64_t* offset_[Psi<T>::kinds];
};

}  // namespace weft::magep
