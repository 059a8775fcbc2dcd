// What a real network's text costs before anything runs: two layers of Llama, without layouts (spec 8.5), parsed, its
// complete linear layer derived, and every term of it decided and proved.

#include <fmt/format.h>

#include "weft/bench/harness.h"
#include "weft/groups/derive.h"
#include "weft/groups/term.h"

namespace weft::bench {
namespace {

std::string llama(int layers) {
  std::string factors = "s: sign_monomial(4096); n: monomial(4096) along s; vocab: fixed(32000); ", tensors;
  for (int i = 0; i < layers; ++i) {
    factors += fmt::format(
        "n1.{0}, n2.{0}: monomial(4096) along s; kv.{0}: permutation(8); rep.{0}: permutation(4) per kv.{0}; "
        "q.{0}: rotary(128) per kv.{0}; v.{0}: GL(128) per kv.{0}; f.{0}: monomial(14336); ",
        i);
    tensors += fmt::format(
        "norm1.{0}[n1.{0}] q_proj.{0}[kv.{0}, rep.{0}, q.{0}, s&n1.{0}*] k_proj.{0}[kv.{0}, q.{0}*, s&n1.{0}*] "
        "v_proj.{0}[kv.{0}, v.{0}, s&n1.{0}*] o_proj.{0}[s, kv.{0}, rep.{0}, v.{0}*] norm2.{0}[n2.{0}] "
        "gate.{0}[f.{0}^0, s&n2.{0}*] up.{0}[f.{0}, s&n2.{0}*] down.{0}[s, f.{0}*] ",
        i);
  }
  return factors + tensors + "embed[vocab, s] norm[n] head[vocab, s&n*]";
}

}  // namespace

void derive_cases(Harness& harness) {
  const std::string text = llama(2);
  const Space space = Space::parse(text);
  const DeriveOptions options{.fixed = {{"vocab", AlongFixed::low_rank(8)}}};
  const std::string terms = derive_linear(space, space, options);
  const TermList list(space, space, terms);
  harness.measure("Llama, 2 layers: parse", {}, [&] { Space::parse(text); });
  harness.measure("Llama, 2 layers: derive", {}, [&] { derive_linear(space, space, options); });
  harness.measure("Llama, 2 layers: decide", {}, [&] { TermList(space, space, terms); });
  harness.measure("Llama, 2 layers: prove", {}, [&] {
    for (int i = 0; i < static_cast<int>(list.terms().size()); ++i) list.proof(i);
  });
}

}  // namespace weft::bench
