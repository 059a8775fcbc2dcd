#include "weft/nfn/baselines/models.h"

#include <cmath>
#include <cstring>

#include "weft/core/loop.h"
#include "weft/nfn/baselines/standardise_bodies.h"
#include "weft/nfn/baselines/statistics.h"
#include "weft/ops/view.h"

namespace weft {

BaselineModel::BaselineModel(const ModelConfig& config, const Space& space)
    : AccuracyModel(config, space),
      mean_(parameters_.add("mean", {inputs()}, Init::zeros(), false)),
      inverse_deviation_(parameters_.add("inverse_deviation", {inputs()}, Init::ones(), false)),
      mlp_(parameters_, "mlp", {inputs(), config.hidden, config.hidden, 1}) {}

std::int64_t BaselineModel::inputs() const {
  return config_.kind == "mlp" ? space_.parameters()
                               : statistics_per_tensor * static_cast<std::int64_t>(space_.tensors().size());
}

std::vector<Tensor> BaselineModel::prepare(std::span<const Tensor> weights) const {
  if (config_.kind == "balanced-statnn") {
    const Tensor statistics = weight_statistics(space_, balanced(space_, weights));
    return {weights[0].dtype() == statistics.dtype() ? statistics : statistics.to(weights[0].dtype())};
  }
  if (config_.kind == "statnn") return {weight_statistics(space_, weights)};
  const std::int64_t n = weights[0].dim(0);
  const Tensor flat = Tensor::zeros({n, inputs()}, weights[0].dtype());
  auto* to = static_cast<std::byte*>(flat.raw());
  for (std::int64_t i = 0; i < n; ++i)
    for (const Tensor& w : weights) {
      const std::size_t bytes = w[i].bytes();
      std::memcpy(to, w[i].raw(), bytes);
      to += bytes;
    }
  return {flat};
}

void BaselineModel::standardise(std::span<const Tensor> prepared) {
  const Tensor x = prepared[0].to(DType::f64);
  const std::int64_t n = x.dim(0), m = x.dim(1);
  const Tensor mean = Tensor::zeros({m}, DType::f64), inverse = Tensor::zeros({m}, DType::f64);
  for (std::int64_t j = 0; j < m; ++j) {
    double sum = 0, square = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += x.data<double>()[i * m + j];
    const double center = sum / static_cast<double>(n);
    for (std::int64_t i = 0; i < n; ++i) square += std::pow(x.data<double>()[i * m + j] - center, 2);
    const double deviation = std::sqrt(square / static_cast<double>(n));
    mean.data<double>()[j] = center;
    inverse.data<double>()[j] = deviation > 1e-12 ? 1 / deviation : 0;  // a constant input says nothing
  }
  for (const auto& [parameter, values] : {std::pair{mean_, mean}, std::pair{inverse_deviation_, inverse}}) {
    const Tensor to = parameters_.value(parameter);
    to.copy_from(values.to(to.dtype()));
  }
}

Var BaselineModel::forward(Tape& tape, std::span<const Tensor> prepared) const {
  const Tensor& x = tape.constant(prepared[0]).value();
  const Tensor y = tape.empty(x.shape(), x.dtype());
  const Tensor mean = parameters_.value(mean_), inverse = parameters_.value(inverse_deviation_);
  with_float(x.dtype(), "baseline", [&](auto tag) {
    using T = decltype(tag);
    loop(tape.backend(), x.numel(), 16384,
         Standardise<T>{x.address<T>(), mean.address<T>(), inverse.address<T>(), y.address<T>(), x.dim(1)});
  });
  return reshape(mlp_(parameters_, tape.constant(y)), {x.dim(0)});
}

double BaselineModel::step_flops(std::int64_t batch) const {
  return 6 * static_cast<double>(batch * parameters_.trained_numbers());
}

}  // namespace weft
