#include "weft/nfn/magep/tables.h"

#include <fmt/format.h>

#include "weft/core/error.h"

namespace weft::magep {

std::vector<std::int64_t> dense_widths(std::string_view who, const Space& space) {
  const int L = static_cast<int>(space.tensors().size()) / 2;
  auto refuse = [&](const std::string& why) {
    throw UsageError("[{}] space '{}': {}; allowed: W1[h1, in*] b1[h1] … WL[out, h{{L-1}}*] bL[out], L >= 2, no taps",
                     who, space.str(), why);
  };
  if (L < 2 || space.tensors().size() % 2 != 0) refuse(fmt::format("{} tensors", space.tensors().size()));
  std::vector<std::int64_t> widths;
  int below = -1;
  for (int i = 1; i <= L; ++i) {
    const int w = space.find_tensor(fmt::format("W{}", i)), b = space.find_tensor(fmt::format("b{}", i));
    if (w < 0 || b < 0) refuse(fmt::format("no W{0} or b{0}", i));
    const SpaceTensor &weight = space.tensors()[static_cast<std::size_t>(w)],
                      &bias = space.tensors()[static_cast<std::size_t>(b)];
    if (weight.axes.size() != 2 || bias.axes.size() != 1 || weight.taps() != 1 || bias.taps() != 1)
      refuse(fmt::format("axes or taps of layer {}", i));
    const int row = weight.axes[0].factor, column = weight.axes[1].factor;
    if (bias.axes[0].factor != row || (i > 1 && column != below))
      refuse(fmt::format("layer {} does not follow on layer {}", i, i - 1));
    if (i == 1) widths.push_back(space.factors()[static_cast<std::size_t>(column)].size);
    widths.push_back(space.factors()[static_cast<std::size_t>(row)].size);
    below = row;
  }
  return widths;
}

bool is_chain(const Space& space) {
  try {
    dense_widths("magep", space.without_taps());
    return true;
  } catch (const UsageError&) {
    return false;
  }
}

Tables tables_of(std::string_view who, const TermList& list, std::string_view end_prefix) {
  Tables t;
  t.widths = dense_widths(who, list.in());
  const int L = t.L();
  auto find = [&](const std::string& name) {
    for (std::size_t i = 0; i < list.parameters().size(); ++i)
      if (list.parameters()[i].name == name) return static_cast<int>(i);
    return -1;
  };
  t.W.assign(static_cast<std::size_t>(L + 1), -1);
  t.b = t.W;
  t.phi.resize(static_cast<std::size_t>(L + 1));
  for (auto& psi : t.psi) psi.assign(static_cast<std::size_t>(L + 1), -1);
  for (int i = 1; i <= L; ++i) {
    const auto at = static_cast<std::size_t>(i);
    t.W[at] = list.in().find_tensor(fmt::format("W{}", i));
    t.b[at] = list.in().find_tensor(fmt::format("b{}", i));
    const std::string bias = i == L ? std::string(end_prefix) : fmt::format("b{}.", i);
    for (int m = from_W; m <= weight_terms; ++m) t.phi[at].W[m] = find(fmt::format("W{}.phi{}", i, m));
    for (int m = 1; m <= bias_terms; ++m) t.phi[at].b[m] = find(fmt::format("{}phi{}", bias, m));
    const char* products[] = {"WW", "bW"};
    for (std::size_t k = 0; k < 2; ++k) {
      t.psi[k][at] = find(fmt::format("psi.{}.{}.0", products[k], i));
      t.psi[2 + k][at] = i > 1 ? find(fmt::format("psi.{}.{}.{}", products[k], i, i - 1)) : -1;
      t.psi[4 + k][at] = i < L ? find(fmt::format("psi.{}.{}.{}", products[k], i, i)) : -1;
    }
  }
  return t;
}

template <class T>
void lay_out_suffixes(SuffixState<T>& s, const Tables& t, std::int64_t d, std::int64_t e, std::span<const Var> inputs,
                      std::span<const Var> learned, int layers_from, const Space& space, const LayerInput& input,
                      Arena& arena) {
  s.z = {t.widths, d, e, inputs[0].shape()[0]};
  const Sizes& z = s.z;
  const int L = z.L();
  auto data = [](std::span<const Var> vars, int i) -> const T* {
    return i < 0 ? nullptr : vars[static_cast<std::size_t>(i)].value().template data<T>();
  };
  s.W = per_layer<const T>(arena, L), s.b = per_layer<const T>(arena, L);
  s.S = per_layer<T>(arena, L), s.M = per_layer<T>(arena, L), s.m = per_layer<T>(arena, L);
  for (int kind = 0; kind < Psi<T>::kinds; ++kind) {
    s.psi.at[kind] = numbers<const T*>(arena, L + 1);
    for (int i = 0; i <= L; ++i) s.psi.at[kind][i] = data(learned, t.psi[kind][static_cast<std::size_t>(i)]);
  }
  for (int i = 1; i <= L; ++i) {
    const auto at = static_cast<std::size_t>(i);
    s.W.data[i] = data(inputs, t.W[at]), s.W.stride[i] = d * z.weight(i);
    s.b.data[i] = data(inputs, t.b[at]), s.b.stride[i] = d * z.width(i);
    if (i < L) fill(s.S, i - 1, arena, d * z.suffix(i - 1), z.batch);
    if (i < layers_from) continue;
    fill(s.M, i, arena, d * z.n0() * z.n0(), z.batch);
    fill(s.m, i, arena, d * z.n0(), z.batch);
  }
  s.x = numbers<T>(arena, z.batch * EndVector(z).size);
  s.reading = Reading<T>(input);
  if (!s.reading.drops) return;
  const T** masks = numbers<const T*>(arena, L + 1);
  for (int i = 1; i <= L; ++i)
    masks[i] = draw_mask<T>(input, space.tensors()[static_cast<std::size_t>(t.W[static_cast<std::size_t>(i)])], z.batch,
                            d, arena);
  s.mask = masks;
}

template <class T>
void FeatureGradients<T>::take(const SuffixState<T>& s, std::int64_t net, const OneNetwork<T>& from, T* scratch) const {
  const Sizes& z = s.z;
  for (int i = 1; i <= z.L(); ++i) {
    s.reading.vjp(s.W(i, net), from.W.data[i], z.d, z.weight(i), s.mask_of(i, net), {W(i, net), W_beta[i]}, scratch);
    s.reading.vjp(s.b(i, net), from.b.data[i], z.d, z.width(i), nullptr, {b(i, net), b_beta[i]}, scratch);
  }
}

template <class T>
FeatureGradients<T> feature_gradients(const Tables& t, Backward& back) {
  const int L = t.L(), features = 2 * L;
  Arena& arena = back.arena();
  FeatureGradients<T> g{
      per_layer<T>(arena, L), per_layer<T>(arena, L), numbers<T>(arena, L + 1), numbers<T>(arena, L + 1), {}};
  for (int i = 1; i <= L; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Grad<T> W = gradient_of<T>(back, t.W[at]), b = gradient_of<T>(back, t.b[at]);
    const std::int64_t batch = back.input(t.W[at]).dim(0);
    g.W.data[i] = W.data, g.W_beta[i] = W.beta, g.W.stride[i] = batch ? back.input(t.W[at]).numel() / batch : 0;
    g.b.data[i] = b.data, g.b_beta[i] = b.beta, g.b.stride[i] = batch ? back.input(t.b[at]).numel() / batch : 0;
  }
  for (int kind = 0; kind < Psi<T>::kinds; ++kind) {
    g.psi.at[kind] = numbers<Grad<T>*>(arena, L + 1);
    for (int i = 0; i <= L; ++i) {
      const int number = t.psi[kind][static_cast<std::size_t>(i)];
      const bool wanted = number >= 0 && back.wants(features + number);
      g.psi.at[kind][i] =
          wanted ? new (numbers<Grad<T>>(arena, 1)) Grad<T>(gradient_of<T>(back, features + number)) : nullptr;
    }
  }
  return g;
}

#define WEFT_INSTANTIATE(T)                                                                                        \
  template struct FeatureGradients<T>;                                                                             \
  template void lay_out_suffixes(SuffixState<T>&, const Tables&, std::int64_t, std::int64_t, std::span<const Var>, \
                                 std::span<const Var>, int, const Space&, const LayerInput&, Arena&);              \
  template FeatureGradients<T> feature_gradients(const Tables&, Backward&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::magep
