// From the two factors of a low-rank adapter, log |B A| is learned by a layer derived from the group alone: GL of the
// rank moves between the factors, and the products over it are all that it leaves.

#include <cmath>

#include <fmt/format.h>

#include "weft/weft.h"

using namespace weft;

namespace {

constexpr std::int64_t rank = 8, width = 64, channels = 8;

/// Factors of random size, every direction of the rank with a size of its own, and log |B A|, standardised.
struct Adapters {
  Tensor A, B, target;

  Adapters(const Space& space, std::int64_t n, RandomKey key)
      : A(Tensor::zeros(space.feature_shape(0, n, 1), DType::f32)),
        B(Tensor::zeros(space.feature_shape(1, n, 1), DType::f32)),
        target(Tensor::zeros({n, 1}, DType::f32)) {
    fill_normal(A, key.at("A"));
    fill_normal(B, key.at("B"));
    for (std::int64_t i = 0; i < n; ++i) {
      float *a = A.data<float>() + i * rank * width, *b = B.data<float>() + i * width * rank;
      const RandomKey own = key.at("sizes").at(static_cast<std::uint64_t>(i));
      for (std::int64_t r = 0; r < rank; ++r) {
        const auto of_rank = static_cast<float>(std::exp(normal(own, static_cast<std::uint64_t>(r))) / 8);
        for (std::int64_t k = 0; k < width; ++k) a[r * width + k] *= of_rank;
      }
      const auto of_all = static_cast<float>(std::exp(uniform(own.at("all"), 0, -1, 1)));
      for (std::int64_t k = 0; k < width * rank; ++k) b[k] *= of_all;
      double square = 0;
      for (std::int64_t o = 0; o < width; ++o)
        for (std::int64_t k = 0; k < width; ++k) {
          double sum = 0;
          for (std::int64_t r = 0; r < rank; ++r)
            sum += static_cast<double>(b[o * rank + r]) * static_cast<double>(a[r * width + k]);
          square += sum * sum;
        }
      target.data<float>()[i] = static_cast<float>(std::log(square) / 2 - std::log(8.0));
    }
  }
  std::int64_t size() const { return A.dim(0); }
};

struct Network : Module {
  Space space = Space::parse("r: GL(8); i, o: fixed(64) A[r, i*] B[o, r*]"),
        products = Space::parse("i, o: fixed(64) P[o, i*]");
  std::string terms =
      derive_quadratic(space, products, {.fixed = {{"i", AlongFixed::alone()}, {"o", AlongFixed::alone()}}}).terms +
      "P[j,k] += phi2\n";
  TermLayer layer{*this, "products", space, products, terms, 1, channels};
  Mlp readout{*this, "readout", {channels, 64, 64, 1}};

  /// Of networks begin … end - 1.
  Var operator()(Tape& tape, const Adapters& data, std::int64_t begin, std::int64_t end) const {
    const Tensor factors[] = {data.A.slice(begin, end), data.B.slice(begin, end)};
    const Features p = relu(layer(Features::constant(tape, space, factors)));
    return readout(mean(mean(p["P"], -1), -1));
  }
};

}  // namespace

int main() {
  Network network;
  network.init(RandomKey(0, "learned"));
  fmt::print("{}{}", network.terms, network.str());
  const Adapters training(network.space, 500, RandomKey(0, "training")), test(network.space, 500, RandomKey(0, "test"));
  Tape tape;
  Optimiser optimiser(network.parameters(), UpdateRule::adam());
  constexpr std::int64_t batch = 50;
  constexpr int epochs = 60;
  for (int epoch = 0; epoch < epochs; ++epoch)
    for (std::int64_t begin = 0; begin < training.size(); begin += batch) {
      const Var y = network(tape, training, begin, begin + batch);
      tape.backward(mean_all(squared_error(y, training.target.slice(begin, begin + batch))));
      optimiser.step(5e-3 * (1 - static_cast<double>(epoch) / epochs));
      tape.reset();
    }
  double error = 0, mean = 0, variance = 0;
  for (const float t : test.target.span<float>()) mean += static_cast<double>(t) / 500;
  for (std::int64_t begin = 0; begin < test.size(); begin += batch) {
    const Var y = network(tape, test, begin, begin + batch);
    for (std::int64_t i = 0; i < batch; ++i) {
      const auto t = static_cast<double>(test.target.data<float>()[begin + i]);
      error += std::pow(static_cast<double>(y.value().data<float>()[i]) - t, 2);
      variance += std::pow(t - mean, 2);
    }
    tape.reset();
  }
  fmt::print("test error: {:.4f} of the variance\n", error / variance);
  return error / variance < 0.05 ? 0 : 1;
}
