// A network of one's own that reads the CNNs or dense networks of a zoo, trained on a loss of one's own: the absolute
// error of their losses on the test items.
#include <fmt/format.h>

#include "weft/weft.h"
#include "weft/zoo.h"

using namespace weft;

struct Predictor : Module {
  explicit Predictor(const Space& space)
      : lift(*this, "lift", space, space.without_taps(), derive_linear(space, space.without_taps()), 1, 12),
        pool(*this, "pool", lift.out(), 12, 12),
        readout(*this, "readout", {12, 48, 1}) {}
  Var operator()(const Features& x) const { return readout(pool(lift(x), {.activation = UnaryOp::Relu})); }
  LinearLayer lift;
  MagepInvariant pool;
  Mlp readout;
};

int main(int argc, char** argv) try {
  const Zoo zoo = Zoo::open(argc > 1 ? argv[1] : "zoo");
  const auto ids = zoo.ids(0, ZooPart::train), unseen = zoo.ids(0, ZooPart::test);
  const auto weights = zoo.weights(ids);
  const Tensor losses = zoo.column(ids, "loss");
  const Predictor predictor(zoo.space());
  predictor.init(RandomKey(1, "predictor"));
  fmt::print("{}", predictor.str());
  const auto loss = [&](Tape& tape, const Tensor& items) {
    const Var y = reshape(predictor(Features::gathered(tape, zoo.space(), weights, items)), {items.numel()});
    return mean_all(abs(y - tape.constant(gathered(tape, losses, items))));
  };
  Trainer trainer(predictor, {.batch = 16, .epochs = 20}, {.items = losses.numel(), .loss = loss});
  while (!trainer.done()) fmt::print("loss {:.4f}\n", trainer.run_epoch().train_loss);
  Tape tape;
  const Var y = predictor(Features::constant(tape, zoo.space(), zoo.weights(unseen)));
  fmt::print("tau {:.3f} on unseen networks\n", kendall_tau_b(y.value(), zoo.column(unseen, "loss")));
} catch (const Error& error) {
  return fmt::print(stderr, "{}\n", error.what()), 1;
}
