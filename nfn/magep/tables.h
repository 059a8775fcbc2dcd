#pragma once
// Where a schedule finds features and learned tensors: positions in the space and in the list's parameters, by layer.

#include <string_view>
#include <vector>

#include "weft/autograd/tape.h"
#include "weft/groups/term.h"
#include "weft/nfn/magep/suffix.h"

namespace weft::magep {

struct Tables {
  std::vector<std::int64_t> widths;  ///< n_0..n_L
  std::vector<int> W, b;             ///< tensor of the space, by layer 1..L
  std::vector<PhiTable<int>> phi;    ///< by layer; of I's list at L; -1 for what the list lacks
  std::vector<int> psi[Psi<float>::kinds];

  int L() const { return static_cast<int>(widths.size()) - 1; }
};

/// Reads the shape of a dense network from its space. Throws UsageError for another space.
std::vector<std::int64_t> dense_widths(std::string_view who, const Space& space);
/// Whether it has one, kernels of convolutions folded into channels.
bool is_chain(const Space& space);

/// `end_prefix` names the phis that mix the vector of layer L: "b3." in E, "" in I.
Tables tables_of(std::string_view who, const TermList& list, std::string_view end_prefix);

template <class T>
PerLayer<T> per_layer(Arena& arena, int L) {
  PerLayer<T> p{numbers<T*>(arena, L + 1), numbers<std::int64_t>(arena, L + 1)};
  for (int i = 0; i <= L; ++i) p.data[i] = nullptr, p.stride[i] = 0;
  return p;
}

/// Memory of layer i for all networks.
template <class T>
void fill(const PerLayer<T>& p, int i, Arena& arena, std::int64_t size, std::int64_t batch) {
  p.data[i] = numbers<T>(arena, size * batch);
  p.stride[i] = size;
}

/// The inputs and memory of a suffix state; `layers_from` is the first layer whose M and m are kept.
template <class T>
void lay_out_suffixes(SuffixState<T>& s, const Tables& t, std::int64_t d, std::int64_t e, std::span<const Var> inputs,
                      std::span<const Var> learned, int layers_from, const Space& space, const LayerInput& input,
                      Arena& arena);

/// Where a vjp writes the gradients of features and Ψ.
template <class T>
struct FeatureGradients {
  PerLayer<T> W, b;
  T *W_beta, *b_beta;
  Psi<Grad<T>> psi;  ///< null pointers where not wanted

  /// Collects the cotangents of features as read in one worker's memory instead, where they are first written.
  void collect_in(const OneNetwork<T>& memory, T* zeros) {
    W = memory.W, b = memory.b;
    W_beta = b_beta = zeros;
  }
  /// Adds them, taken through activation and masks. scratch: the largest weight of one channel.
  void take(const SuffixState<T>& s, std::int64_t net, const OneNetwork<T>& from, T* scratch) const;
};

template <class T>
FeatureGradients<T> feature_gradients(const Tables& t, Backward& back);

}  // namespace weft::magep
