#include "weft/nfn/baselines/models.h"

#include <cmath>
#include <cstring>

#include "weft/core/team.h"
#include "weft/nfn/baselines/statistics.h"
#include "weft/nn/layers.h"

namespace weft {

BaselineModel::BaselineModel(const char* kind, const Settings& settings, const Space& space, std::int64_t outputs,
                             Reads reads)
    : Reader(kind, settings, space, outputs),
      reads_(reads),
      mean_(add_parameter("mean", {inputs()}, Init::zeros(), false)),
      inverse_deviation_(add_parameter("inverse_deviation", {inputs()}, Init::ones(), false)) {}

std::int64_t BaselineModel::inputs() const {
  return reads_ == Reads::weights ? space_.parameters()
                                  : statistics_per_tensor * static_cast<std::int64_t>(space_.tensors().size());
}

Tensor BaselineModel::read(std::span<const Tensor> weights) const {
  if (reads_ == Reads::balanced_statistics)
    return weight_statistics(space_, balanced(space_, weights)).to(weights[0].dtype());
  if (reads_ == Reads::statistics) return weight_statistics(space_, weights);
  const std::int64_t n = weights[0].dim(0);
  const Tensor flat = Tensor::zeros({n, inputs()}, weights[0].dtype());
  auto* to = static_cast<std::byte*>(flat.raw());
  for (std::int64_t i = 0; i < n; ++i)
    for (const Tensor& w : weights) {
      const std::size_t bytes = w[i].bytes();
      std::memcpy(to, w[i].raw(), bytes);
      to += bytes;
    }
  return flat;
}

std::vector<Tensor> BaselineModel::standardise(std::span<const Tensor> weights) {
  const Tensor raw = read(weights), x = raw.to(DType::f64);
  const std::int64_t n = x.dim(0), m = x.dim(1);
  const Tensor mean = Tensor::zeros({m}, DType::f64), inverse = Tensor::zeros({m}, DType::f64);
  for (std::int64_t j = 0; j < m; ++j) {
    const auto value = [column = x.data<double>() + j, m](std::int64_t i) { return column[i * m]; };
    const Centre<double> centre = centre_of<double>(SerialTeam{}, n, value);
    const double deviation = std::sqrt(variance_of(SerialTeam{}, n, centre, value));
    if (!std::isfinite(deviation))
      throw NumericError("[baseline] number {} of what is read of the training networks is not finite, or its square",
                         j);
    mean.data<double>()[j] = centre.mean + centre.residue;
    inverse.data<double>()[j] = deviation > 1e-12 ? 1 / deviation : 0;  // a constant input says nothing
  }
  for (const auto& [parameter, values] : {std::pair{mean_, mean}, std::pair{inverse_deviation_, inverse}}) {
    const Tensor to = parameters().value(parameter);
    to.copy_from(values.to(to.dtype()));
  }
  return standardised(raw);
}

std::vector<Tensor> BaselineModel::standardised(const Tensor& raw) const {
  with_float(raw.dtype(), "baseline", [&](auto tag) {
    using T = decltype(tag);
    const Tensor mean = parameters().value(mean_).placed_on(nullptr).to(raw.dtype()),
                 inverse = parameters().value(inverse_deviation_).placed_on(nullptr).to(raw.dtype());
    for (std::int64_t i = 0; i < raw.dim(0); ++i) {
      const std::span<T> row = raw[i].span<T>();
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = (row[j] - mean.data<T>()[j]) * inverse.data<T>()[j];
    }
  });
  return {raw};
}

std::vector<Tensor> BaselineModel::prepare(std::span<const Tensor> weights) const {
  return standardised(read(weights));
}

namespace {

/// A dense network with ReLU on them.
class DenseBaseline final : public BaselineModel {
 public:
  DenseBaseline(const char* kind, const Settings& settings, const Space& space, std::int64_t outputs, Reads reads)
      : BaselineModel(kind, settings, space, outputs, reads),
        mlp_(*this, "mlp", {inputs(), settings.whole("hidden"), settings.whole("hidden"), outputs}) {}
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const override {
    return mlp_(tape.constant(prepared[0]));
  }

 private:
  Mlp mlp_;
};

template <BaselineModel::Reads reads>
std::unique_ptr<Reader> make_dense(const ModelKind& kind, const Settings& settings, const Space& space,
                                   std::int64_t outputs) {
  return std::make_unique<DenseBaseline>(kind.name, settings, space, outputs, reads);
}

bool any(const Space&) { return true; }

}  // namespace

extern const ModelKind statnn_model{.name = "statnn",
                                    .text = "7 statistics of every tensor, read by a dense network",
                                    .reads_text = "networks of any kind",
                                    .reads = any,
                                    .settings = {hidden_setting(1000)},
                                    .training = {},
                                    .make = make_dense<BaselineModel::Reads::statistics>};
extern const ModelKind balanced_statnn_model{
    .name = "balanced-statnn",
    .text = "the same of the network whose neurons are rescaled until weights in and out balance",
    .reads_text = "networks whose neurons can be scaled",
    .reads = can_balance,
    .settings = {hidden_setting(1000)},
    .training = {},
    .make = make_dense<BaselineModel::Reads::balanced_statistics>};
extern const ModelKind mlp_model{.name = "mlp",
                                 .text = "all weights, flattened, read by a dense network",
                                 .reads_text = "networks of any kind",
                                 .reads = any,
                                 .settings = {hidden_setting(500)},
                                 .training = {},
                                 .make = make_dense<BaselineModel::Reads::weights>};

}  // namespace weft
