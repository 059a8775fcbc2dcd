#include "weft/nfn/models/input_scale.h"

#include <cmath>

#include "weft/core/error.h"

namespace weft {

InputScale::InputScale(const Module& model, std::string_view name, const Space& space)
    : model_(model),
      space_(space),
      scale_(model.add_parameter(name, {static_cast<std::int64_t>(space.tensors().size())}, Init::ones(), false)) {}

void InputScale::fit(std::span<const Tensor> weights, std::span<const double> sizes) const {
  const Tensor scale = Tensor::zeros({static_cast<std::int64_t>(weights.size())}, DType::f64);
  for (std::size_t t = 0; t < weights.size(); ++t) {
    double square = 0;
    with_float(weights[t].dtype(), "input_scale", [&](auto tag) {
      for (const auto x : weights[t].span<decltype(tag)>()) square += std::pow(static_cast<double>(x), 2);
    });
    if (!std::isfinite(square))
      throw NumericError("[input_scale] tensor '{}' of the training networks has numbers that are not finite",
                         space_.tensors()[t].name);
    const double size = std::sqrt(square / static_cast<double>(weights[t].numel()));
    scale.data<double>()[t] = size > 0 ? sizes[t] / size : 1;
  }
  const Tensor to = model_.parameters().value(scale_);
  to.copy_from(scale.to(to.dtype()));
}

std::vector<Tensor> InputScale::operator()(std::span<const Tensor> weights) const {
  const Tensor scale = model_.parameters().value(scale_).placed_on(nullptr).to(DType::f64);
  std::vector<Tensor> scaled;
  for (std::size_t t = 0; t < weights.size(); ++t) {
    scaled.push_back(weights[t].clone());
    with_float(weights[t].dtype(), "input_scale", [&](auto tag) {
      using T = decltype(tag);
      const T s = static_cast<T>(scale.data<double>()[t]);
      for (T& x : scaled[t].span<T>()) x *= s;
    });
  }
  return scaled;
}

}  // namespace weft
