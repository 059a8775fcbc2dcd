#include <fmt/format.h>

#include "weft/core/error.h"
#include "weft/groups/space.h"

namespace weft {
namespace {

SpaceAxis axis(const std::vector<Factor>& factors, std::string_view text) {
  const AxisRole role = text.ends_with('*') ? AxisRole::covector : AxisRole::vector;
  if (role == AxisRole::covector) text.remove_suffix(1);
  for (std::size_t i = 0; i < factors.size(); ++i)
    if (factors[i].name == text) return {static_cast<int>(i), role};
  throw UsageError("[space] no factor '{}'", text);
}

}  // namespace

Space cnn_space(std::span<const std::int64_t> widths, std::span<const std::array<std::int64_t, 2>> taps,
                FactorKind hidden) {
  const std::size_t L = widths.size() - (widths.empty() ? 0 : 1);
  if (L < 2) throw UsageError("[space] {} widths; allowed: 3 or more (two layers)", widths.size());
  if (taps.size() != L) throw UsageError("[space] taps of {} layers for {} layers", taps.size(), L);
  std::vector<Factor> factors{{"in", FactorKind::fixed, widths[0]}};
  for (std::size_t i = 1; i < L; ++i) factors.push_back({fmt::format("h{}", i), hidden, widths[i]});
  factors.push_back({"out", FactorKind::fixed, widths[L]});
  std::vector<SpaceTensor> tensors;
  for (std::size_t i = 1; i <= L; ++i) {
    const SpaceAxis rows{static_cast<int>(i), AxisRole::vector}, columns{static_cast<int>(i) - 1, AxisRole::covector};
    tensors.push_back({fmt::format("W{}", i), {rows, columns}, taps[i - 1][0], taps[i - 1][1]});
    tensors.push_back({fmt::format("b{}", i), {rows}});
  }
  return Space(std::move(factors), std::move(tensors));
}

Space mlp_space(std::span<const std::int64_t> widths, FactorKind hidden) {
  const std::vector<std::array<std::int64_t, 2>> taps(widths.empty() ? 0 : widths.size() - 1, {1, 1});
  return cnn_space(widths, taps, hidden);
}

Space attention_space(std::int64_t D, std::int64_t h, std::int64_t Dk, std::int64_t Dv) {
  return Space::parse(
      fmt::format("h: permutation({}); q: GL({}) per h; v: GL({}) per h; m: fixed({}) "
                  "WQ[h, m, q] WK[h, m, q*] WV[h, m, v] WO[h, v*, m]",
                  h, Dk, Dv, D));
}

Space transformer_space(const TransformerShape& s, bool residual) {
  std::vector<Factor> factors;
  std::vector<SpaceTensor> tensors;
  if (residual) factors.push_back({"s", FactorKind::permutation, s.D});
  for (int block = 0; block < s.blocks; ++block) {
    const std::string n = s.blocks > 1 ? fmt::format(".{}", block) : "";
    factors.push_back({"h" + n, FactorKind::permutation, s.h});
    factors.push_back({"q" + n, FactorKind::GL, s.Dk, "h" + n});
    factors.push_back({"v" + n, FactorKind::GL, s.Dv, "h" + n});
    if (!residual) {
      factors.push_back({"m" + n, FactorKind::fixed, s.D});
      factors.push_back({"s" + n, FactorKind::permutation, s.D});
    }
    factors.push_back({"a" + n, FactorKind::permutation, s.D_A});
    // Where a residual stream ties the axes, all of them lie on s; without one the input side is fixed and s is free
    // per block.
    const std::string in = residual ? "s*" : "m" + n, out = residual ? "s" : "m" + n, stream = residual ? "s" : "s" + n;
    auto add = [&](const char* name, std::initializer_list<std::string> axes) {
      SpaceTensor t{name + n, {}};
      for (const std::string& text : axes) t.axes.push_back(axis(factors, text));
      tensors.push_back(std::move(t));
    };
    const std::string h = "h" + n, q = "q" + n, v = "v" + n, a = "a" + n;
    add("WQ", {h, in, q});
    add("WK", {h, in, q + "*"});
    add("WV", {h, in, v});
    add("WO", {h, v + "*", stream});
    add("WA", {stream + "*", a});
    add("bA", {a});
    add("WB", {a + "*", out});
    add("bB", {out});
  }
  return Space(std::move(factors), std::move(tensors));
}

Space transformer_network_space(const TransformerShape& shape, const TransformerEnds& ends, bool residual) {
  if (shape.blocks < 2) throw UsageError("[space] {} blocks; allowed: 2 or more", shape.blocks);
  const Space blocks = transformer_space(shape, residual);
  std::vector<Factor> factors(blocks.factors().begin(), blocks.factors().end());
  if (residual) factors.front().kind = FactorKind::fixed;
  const std::string in = residual ? "s" : "m.0", out = residual ? "s*" : fmt::format("m.{}*", shape.blocks - 1);
  std::vector<SpaceTensor> tensors;
  factors.push_back({"c", FactorKind::positive_monomial, ends.hidden});
  factors.push_back({"out", FactorKind::fixed, ends.classes});
  auto add = [&](const char* name, std::initializer_list<std::string> axes) {
    SpaceTensor t{name, {}};
    for (const std::string& text : axes) t.axes.push_back(axis(factors, text));
    tensors.push_back(std::move(t));
  };
  if (ends.patch > 0) {
    factors.push_back({"e", FactorKind::fixed, ends.patch});
    add("WE", {"e", in});
    add("bE", {in});
  }
  tensors.insert(tensors.end(), blocks.tensors().begin(), blocks.tensors().end());
  add("W1", {"c", out});
  add("b1", {"c"});
  add("W2", {"out", "c*"});
  add("b2", {"out"});
  return Space(std::move(factors), std::move(tensors));
}

}  // namespace weft
