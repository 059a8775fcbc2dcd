// Ridge regression on balanced statistics: what a model without any training reaches.

#include <algorithm>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "weft/nfn/baselines/models.h"
#include "weft/nfn/baselines/statistics.h"
#include "weft/ops/contract.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// Each output is w x + b, with the w that minimises |X w - y|² + λ n |w|², y the wanted outputs less their mean b.
class Ridge final : public BaselineModel {
 public:
  Ridge(const Settings& settings, const Space& space, std::int64_t outputs)
      : BaselineModel("ridge", settings, space, outputs, Reads::balanced_statistics),
        // Of one output as in files since it was the only one.
        weight_(add_parameter("weight", outputs == 1 ? Shape{inputs()} : Shape{outputs, inputs()}, Init::zeros())),
        bias_(add_parameter("bias", {outputs}, Init::zeros())) {
    facts() = {.text = "ridge regression",
               .flops = [n = outputs * inputs()](std::int64_t batch) { return 2. * static_cast<double>(batch * n); }};
  }

  bool solve(std::span<const Tensor> prepared, std::span<const double> outputs) override {
    const Tensor x = prepared[0].placed_on(nullptr).to(DType::f64);
    const std::int64_t n = x.dim(0), m = x.dim(1);
    using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<const Matrix> X(x.data<double>(), n, m);
    const Eigen::Map<const Matrix> Y(outputs.data(), n, outputs_);
    const double lambda = settings_.number("lambda") * static_cast<double>(n);
    const Matrix normal = X.transpose() * X + lambda * Matrix::Identity(m, m);
    const Eigen::LDLT<Matrix> factors = normal.ldlt();
    const Tensor weight = Tensor::zeros({outputs_, m}, DType::f64), bias = Tensor::zeros({outputs_}, DType::f64);
    for (std::int64_t o = 0; o < outputs_; ++o) {
      const Eigen::VectorXd y = Y.col(o);
      const double mean = y.mean();
      const Eigen::VectorXd w = factors.solve(X.transpose() * (y.array() - mean).matrix());
      if (factors.info() != Eigen::Success || !w.allFinite())
        throw NumericError("[ridge] {} networks of {} inputs have no solution with lambda {}; give a larger one", n, m,
                           settings_.number("lambda"));
      std::copy_n(w.data(), m, weight[o].data<double>());
      bias.data<double>()[o] = mean;
    }
    for (const auto& [parameter, found] : {std::pair{weight_, weight}, std::pair{bias_, bias}}) {
      const Tensor to = parameters().value(parameter), values = found.reshape(to.shape());
      to.copy_from(values.to(to.dtype()).placed_on(to.backend()));
    }
    parameters().changed();
    return true;
  }

  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const override {
    const Var weight = reshape(on(tape, weight_), {outputs_, inputs()});
    return contract("bi,oi+o->bo", tape.constant(prepared[0]), weight, on(tape, bias_));
  }

 private:
  int weight_, bias_;
};

std::unique_ptr<Reader> make_ridge(const ModelKind&, const Settings& settings, const Space& space,
                                   std::int64_t outputs) {
  return std::make_unique<Ridge>(settings, space, outputs);
}

}  // namespace

extern const ModelKind ridge_model{.name = "ridge",
                                   .text = "ridge regression on the statistics of balanced networks, solved at once",
                                   .reads_text = "networks whose neurons can be scaled",
                                   .reads = can_balance,
                                   .settings = {{.name = "lambda",
                                                 .text = "weight of the penalty, for standardised inputs",
                                                 .usual = 0.01,
                                                 .low = 1e-9,
                                                 .high = 1e6,
                                                 .why = "without it fewer networks than inputs have many solutions"}},
                                   .training = {},
                                   .solved = true,
                                   .make = make_ridge};

}  // namespace weft
