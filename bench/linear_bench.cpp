// The NP linear layer of spec 4.2, one step (forward and backward), as a schedule and on the interpreter of its list.

#include "weft/bench/harness.h"
#include "weft/groups/derive.h"
#include "weft/nfn/linear/linear.h"
#include "weft/ops/terms.h"

namespace weft::bench {

void linear_cases(Harness& harness) {
  constexpr std::int64_t widths[] = {2, 32, 32, 3}, channels = 128, batch = 32;
  const Space space = mlp_space(widths, FactorKind::permutation).with_kind(FactorKind::fixed, FactorKind::permutation);
  const std::string terms = derive_linear(space, space, {.means = true});
  const Module model;
  const LinearLayer fast(model, "fast", space, space, terms, channels, channels);
  const TermLayer slow(model, "slow", space, space, terms, channels, channels);
  model.init(RandomKey(1, "linear_bench"));
  std::vector<Tensor> x, g;
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i)
    for (std::vector<Tensor>* to : {&x, &g}) {
      to->push_back(Tensor::zeros(space.feature_shape(i, batch, channels), DType::f32));
      fill_normal(to->back(), RandomKey(2, "linear_bench").at(to->size()));
    }
  Arena arena;
  Tape tape(arena);
  auto step = [&](const auto& layer) {
    tape.reset();
    tape.backward(layer(Features::leaf(tape, space, x)).vars(), g);
  };
  // Backward is two products for each of forward's.
  const Work work{3 * term_flops(fast.list(), batch, channels, channels), 0, batch};
  harness.measure("NP linear 128 -> 128, 2-32-32-3 x 32, schedule", work, [&] { step(fast); });
  harness.measure("NP linear 128 -> 128, 2-32-32-3 x 32, interpreter", work, [&] { step(slow); });
}

}  // namespace weft::bench
