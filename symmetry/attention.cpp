#include "weft/symmetry/attention.h"

#include <cmath>

#include "weft/core/error.h"
#include "weft/nfn/forward.h"
#include "weft/ops/rows.h"
#include "weft/symmetry/internal/heads.h"

namespace weft {
namespace {

using equivalence::Head;

std::vector<Head> joined(std::vector<Head> heads, const std::vector<Head>& more) {
  heads.insert(heads.end(), more.begin(), more.end());
  return heads;
}

}  // namespace

AttentionEquivalence compare_attention(const AttentionModule& a, const AttentionModule& b,
                                       const AttentionEquivalenceOptions& options) {
  if (!(options.tolerance > 0 && options.tolerance < 1))
    throw UsageError("[equivalence] tolerance {}; allowed: between 0 and 1", options.tolerance);
  if (!(options.rounding >= 0 && options.rounding < 1))
    throw UsageError("[equivalence] rounding {}; allowed: 0 to 1", options.rounding);
  const std::vector<Head> heads_a = equivalence::heads_of(a, "a", options.after_norm),
                          heads_b = equivalence::heads_of(b, "b", options.after_norm);
  if (a.q.dim(1) != b.q.dim(1))
    throw ShapeError("[equivalence] module a reads tokens of {} numbers, module b of {}; allowed: the same", a.q.dim(1),
                     b.q.dim(1));
  const std::vector<Head> short_a = equivalence::reduced(heads_a, options),
                          short_b = equivalence::reduced(heads_b, options);
  AttentionEquivalence out;
  const equivalence::HeadMatch match = equivalence::match_heads(short_a, short_b, options);
  if (match.beyond) {
    const std::vector<Head> heads = joined(short_a, short_b);
    const auto groups = equivalence::differing_groups(heads, short_a.size(), options);
    if (!groups.empty()) out.witness = equivalence::find_witness(a, b, heads, groups, options.after_norm);
    if (out.witness) out.decision = Decision::different;
    return out;
  }
  const bool silent = short_a.empty() && short_b.empty();
  if (!match.within || !(silent || equivalence::agree_on_inputs(a, b, joined(heads_a, heads_b), options))) return out;
  out.decision = Decision::same;
  if (a.q.shape() != b.q.shape() || a.v.shape() != b.v.shape()) return out;
  // One head for each, also where some are silent.
  const auto source = short_a.size() == heads_a.size() && short_b.size() == heads_b.size()
                          ? match.source
                          : equivalence::match_heads(heads_a, heads_b, options).source;
  if (!source.empty())
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
