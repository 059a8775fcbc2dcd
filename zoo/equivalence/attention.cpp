#include "weft/zoo/equivalence/attention.h"

#include <cmath>

#include "weft/core/error.h"
#include "weft/ops/rows.h"
#include "weft/zoo/equivalence/internal/heads.h"
#include "weft/zoo/networks.h"

namespace weft {
namespace {

/// Whose head of a each head of b is; empty unless every group has exactly one of each.
std::vector<std::int32_t> sources(const std::vector<equivalence::Group>& groups, std::size_t heads_of_a) {
  std::vector<std::int32_t> source(heads_of_a);
  for (const auto& g : groups) {
    // Positions are sorted, a's heads first.
    if (g.heads.size() != 2 || g.heads[0] >= heads_of_a || g.heads[1] < heads_of_a) return {};
    source[g.heads[1] - heads_of_a] = static_cast<std::int32_t>(g.heads[0]);
  }
  return source;
}

}  // namespace

AttentionEquivalence compare_attention(const AttentionModule& a, const AttentionModule& b,
                                       const AttentionEquivalenceOptions& options) {
  if (!(options.tolerance > 0 && options.tolerance < 1))
    throw UsageError("[equivalence] tolerance {}; allowed: between 0 and 1", options.tolerance);
  if (!(options.rounding >= 0 && options.rounding < 1))
    throw UsageError("[equivalence] rounding {}; allowed: 0 to 1", options.rounding);
  auto heads = equivalence::heads_of(a, "a", options.after_norm);
  const std::size_t heads_of_a = heads.size();
  for (auto& head : equivalence::heads_of(b, "b", options.after_norm)) heads.push_back(std::move(head));
  if (a.q.dim(1) != b.q.dim(1))
    throw ShapeError("[equivalence] module a reads tokens of {} numbers, module b of {}; allowed: the same", a.q.dim(1),
                     b.q.dim(1));
  auto groups = equivalence::group_heads(heads, heads_of_a, options);
  AttentionEquivalence out;
  std::vector<equivalence::Group> differing;
  for (auto& g : groups)
    if (g.differs) differing.push_back(std::move(g));
  out.same = differing.empty();
  if (!out.same) {
    out.witness = equivalence::find_witness(a, b, heads, differing, options.after_norm);
    return out;
  }
  if (a.q.shape() == b.q.shape() && a.v.shape() == b.v.shape())
    if (const auto source = sources(groups, heads_of_a); !source.empty())
      out.element = equivalence::find_element(a, b, source, options.after_norm, 1000 * options.tolerance);
  return out;
}

Tensor evaluate_attention(const AttentionModule& m, const Tensor& x, bool after_norm) {
  Arena arena;
  Tape tape(arena);
  auto weights = [&](const Tensor& t) {
    const Tensor wide = t.dtype() == DType::f64 ? t : t.to(DType::f64);
    return tape.constant(wide.reshape({1, 1, t.dim(0), t.dim(1), t.dim(2)}));
  };
  Var input = tape.constant(x.to(DType::f64).reshape({1, 1, x.dim(0), x.dim(1)}));
  if (after_norm) input = layer_norm(input);
  return attention_forward(input, weights(m.q), weights(m.k), weights(m.v), weights(m.o))
      .value()
      .clone()
      .reshape(x.shape());
}

}  // namespace weft
