// A layer as formulas: decided from its indices, proved, and run.

#include <vector>

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
  Parameters learned;
  const TermLayer layer(learned, "layer", space, space, formulas, 1, 4);
  learned.allocate(DType::f32, Key(0, "learned"));
  for (int i = 0; i < static_cast<int>(layer.list().terms().size()); ++i) fmt::print("{}", layer.list().proof(i));

  // What does not respect the group is refused when the layer is built, with the index and the reason.
  try {
    const TermList wrong(space, space, "b1[j] += phi1[q] W2[q,j]");
    return 1;
  } catch (const TypeError& refused) {
    fmt::print("{}\n", refused.what());
  }

  Arena arena;
  Tape tape(arena);
  std::vector<Var> x, y(4);
  for (int t = 0; t < 4; ++t) {
    const Tensor w = tape.empty(space.feature_shape(t, 8, 1), DType::f32);
    fill_normal(w, Key(0, "networks").at(static_cast<std::uint64_t>(t)));
    x.push_back(tape.leaf(w, space.type(t), space.tensors()[static_cast<std::size_t>(t)].name));
  }
  layer(learned, x, y);
  fmt::print("b2: {} -> {}, {} learned numbers\n", x[3].shape().str(), y[3].shape().str(), learned.trained_numbers());
}
