#pragma once
// Networks of every kind of space that compare_networks() can try inputs on, and some that it cannot.

#include <array>
#include <vector>

#include "weft/core/random.h"
#include "weft/nfn/forward.h"
#include "weft/ops/act.h"

namespace weft::testing {

inline Space space_of(std::uint64_t sort) {
  const std::int64_t widths[] = {3, 6, 5, 7, 2};
  const std::array<std::int64_t, 2> taps[] = {{3, 3}, {3, 2}, {1, 1}, {1, 1}};
  const TransformerShape one{7, 9, 3, 2, 3}, two{6, 8, 2, 3, 2, 2};
  switch (sort) {
    case 0:
      return mlp_space(widths, FactorKind::permutation);
    case 1:
      return mlp_space(widths, FactorKind::positive_monomial);
    case 2:
      return mlp_space(widths, FactorKind::sign_monomial);
    case 3:
      return cnn_space(widths, taps, FactorKind::positive_monomial);
    case 4:
      return cnn_space(widths, taps, FactorKind::sign_monomial);
    case 5:
      return transformer_space(one, false);
    case 6:
      return transformer_space(one, true);
    case 7:
      return transformer_space(two, false);
    case 8:
      return transformer_space(two, true);
    case 9:
      return transformer_network_space(two, {4, 5, 3});
    default:
      return transformer_network_space(two, {0, 5, 3});
  }
}
inline constexpr std::uint64_t sorts = 11;

inline std::vector<Tensor> random_weights(const Space& space, RandomKey key) {
  std::vector<Tensor> w;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    w.push_back(Tensor::zeros(space.feature_shape(t, 1, 1), DType::f64));
    fill_normal(w.back(), key.at(static_cast<std::uint64_t>(t)), 0, 0.7);
  }
  return w;
}

inline std::vector<Tensor> moved(const Element& g, const std::vector<Tensor>& w) {
  std::vector<Tensor> out;
  for (int t = 0; t < static_cast<int>(w.size()); ++t) out.push_back(act(g, t, w[static_cast<std::size_t>(t)]));
  return out;
}

inline std::vector<Tensor> copies(const std::vector<Tensor>& w) {
  std::vector<Tensor> out;
  for (const Tensor& t : w) out.push_back(t.clone());
  return out;
}

}  // namespace weft::testing
