// Degrees: features that do not scale, gates made of them, and attention among neurons. The neurons of a ReLU network
// can be scaled, so that softmax and sigmoid of their weights would mean nothing; a product of what enters a neuron
// with what leaves it has degree 0, and everything is allowed on it.

#include <fmt/format.h>

#include "weft/weft.h"

using namespace weft;

namespace {

constexpr const char* factors = "in: fixed(3); h: positive_monomial(16); out: fixed(2) ";

struct Gated : Module {
  Space space = Space::parse(std::string(factors) + "W1[h, in*] b1[h] W2[out, h*] b2[out]");
  Space scalars = Space::parse(std::string(factors) + "N[h^0]");
  TermLayer layer{*this, "neurons", space, scalars, "N[j] += phi1[p,q] W1[j,p] W2[q,j]\nN[j] += phi2[q] b1[j] W2[q,j]",
                  1,     8};

  /// W1 with every neuron's row times a gate, which sees all neurons.
  Var operator()(const Features& weights) const {
    const Var neurons = layer(weights)["N"];                                    // [batch, 8, h^0]
    const Var attention = softmax(contract("bch,bcg->bhg", neurons, neurons));  // [batch, h^0, h^0]
    const Var gate = sigmoid(contract("bhg,bcg->bch", attention, neurons));     // [batch, 8, h^0]
    return contract("bdhi,bch->bchi", weights["W1"], gate);                     // [batch, 8, h, in*]
  }
};

}  // namespace

int main() {
  Gated gated;
  gated.init(RandomKey(0, "learned"), DType::f64);
  const Element g = Element::random(gated.space, RandomKey(0, "element"));
  Tape tape;
  const Features x = Features::normal(tape, gated.space, 4, 1, RandomKey(0, "networks"), DType::f64);
  try {
    softmax(x["b1"]);  // of biases, which scale
    return 1;
  } catch (const TypeError& refused) {
    fmt::print("{}\n", refused.what());
  }
  const Var y = gated(x), of_moved = gated(act(g, x));
  const double error = relative_error(of_moved.value(), act(g, 0, y).value());
  fmt::print("gated rows of type {}: f(g x) = g f(x) to {:.0e}\n", y.type().str(), error);
  return error < 1e-9 ? 0 : 1;
}
