// A layer as formulas: decided from its indices, proved, and run.

#include <fmt/format.h>

#include "weft/weft.h"

using namespace weft;

int main() {
  const Space space =
      Space::parse("in: fixed(3); h: positive_monomial(16); out: fixed(2)  W1[h, in*] b1[h] W2[out, h*] b2[out]");
  // The product of both weights has no hidden axis left, so that any function of it may be used.
  const char* formulas = R"(
    P[p,q] := W2[p,k] W1[k,q]
    b2[j]  += phi1[p,q,j] P[p,q]
    W1[j,k] += phi1[q,k] W1[j,q]
    b1[j]  += phi1[q] W1[j,q]
  )";
  const Module model;
  const TermLayer layer(model, "layer", space, space, formulas, 1, 4);
  model.init(RandomKey(0, "learned"));
  for (int i = 0; i < static_cast<int>(layer.list().terms().size()); ++i) fmt::print("{}", layer.list().proof(i));

  // What does not respect the group is refused when the layer is built, with the index and the reason.
  try {
    const TermList wrong(space, space, "b1[j] += phi1[q] W2[q,j]");
    return 1;
  } catch (const TypeError& refused) {
    fmt::print("{}\n", refused.what());
  }

  Tape tape;
  const Features y = layer(Features::normal(tape, space, 8, 1, RandomKey(0, "networks")));
  fmt::print("b2: {} of {} networks\n{}", y["b2"].shape().str(), y.batch(), model.str());
}
