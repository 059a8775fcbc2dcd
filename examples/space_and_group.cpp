// A weight space, the group that acts on it, and the function that stays.

#include <exception>
#include <vector>

#include <fmt/format.h>

#include "weft/weft.h"
#include "weft/zoo.h"

using namespace weft;

/// The largest difference between what two networks compute.
double difference(const std::vector<Tensor>& a, const std::vector<Tensor>& b, UnaryOp activation) {
  Arena arena;
  Tape tape(arena);
  Tensor inputs = Tensor::zeros({1, 1, 100, 3}, DType::f64);
  fill_normal(inputs, RandomKey(0, "inputs"));
  auto outputs = [&](const std::vector<Tensor>& network) {
    std::vector<Var> weights;
    for (const Tensor& w : network) weights.push_back(tape.constant(w));
    return mlp_forward(weights, tape.constant(inputs), activation).value();
  };
  Difference between;
  between.add(outputs(b), outputs(a));
  return between.absolute();
}

int main() {
  // A dense network 3-16-16-2 whose hidden neurons may be permuted and scaled by positive numbers.
  const std::int64_t widths[] = {3, 16, 16, 2};
  const Space space = mlp_space(widths, FactorKind::positive_monomial);
  fmt::print("{}\n", space.str());

  std::vector<Tensor> network, moved;
  const Element g = Element::random(space, RandomKey(0, "element"));
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    network.push_back(Tensor::zeros(space.feature_shape(t, 1, 1), DType::f64));
    fill_normal(network.back(), RandomKey(0, "network").at(static_cast<std::uint64_t>(t)));
    moved.push_back(act(g, t, network.back()));
  }
  fmt::print("the weights move: W1 begins with {:.3f}, then with {:.3f}\n", network[0].data<double>()[0],
             moved[0].data<double>()[0]);
  const bool relu_stays = difference(network, moved, UnaryOp::Relu) < 1e-9;
  const bool tanh_stays = difference(network, moved, UnaryOp::Tanh) < 1e-9;
  fmt::print("with ReLU the function {}, with tanh it {}\n", relu_stays ? "stays" : "changes",
             tanh_stays ? "stays" : "changes");
  return relu_stays && !tanh_stays ? 0 : 1;
}
