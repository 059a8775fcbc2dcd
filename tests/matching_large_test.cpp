// The element between two networks of GPT-2's size. Neither time nor memory is asked here: docs/performance.md has
// them.

#include <doctest/doctest.h>

#include "weft/networks/files/architecture_text.h"
#include "weft/networks/files/file_space.h"
#include "weft/ops/act.h"
#include "weft/symmetry/network.h"

using namespace weft;

TEST_CASE("matching: a network of the size of GPT-2, 124 million numbers") {
  const Json config = Json::parse(
      R"({"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "tie_word_embeddings": true})");
  const Space space = FileSpace::parse(architecture_text("gpt2").parsed().expanded(config).text).space;
  CHECK(space.parameters() == 124439808);
  const Element g = Element::random(space, RandomKey(1, "large"));
  std::vector<Tensor> a, b;
  for (int t = 0; t < std::ssize(space.tensors()); ++t) {
    a.push_back(Tensor::zeros(space.feature_shape(t, 1, 1), DType::f32));
    fill_normal(a.back(), RandomKey(2, "large").at(static_cast<std::uint64_t>(t)));
    b.push_back(act(g, t, a.back()));
  }
  const NetworkElement found = match_networks(space, a, b);
  CHECK(found.residual < 1e-5);
  for (const char* factor : {"s", "h.0", "f.0", "h.11", "f.11"}) {
    const int f = space.find_factor(factor);
    CHECK(found.element.part(f).order == g.part(f).order);
  }
}
