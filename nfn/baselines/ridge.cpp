// Ridge regression on balanced statistics: what a model without any training reaches.

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "weft/nfn/baselines/models.h"
#include "weft/nfn/baselines/statistics.h"
#include "weft/ops/contract.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// output = w x + b, with the w that minimises |X w - y|² + λ n |w|², y the wanted outputs less their mean b.
class Ridge final : public BaselineModel {
 public:
  Ridge(const Settings& settings, const Space& space)
      : BaselineModel("ridge", settings, space, Reads::balanced_statistics),
        weight_(add_parameter("weight", {inputs()}, Init::zeros())),
        bias_(add_parameter("bias", {1}, Init::zeros())) {
    facts() = {.text = "ridge regression",
               .flops = [n = inputs()](std::int64_t batch) { return 2. * static_cast<double>(batch * n); }};
  }

  bool solve(std::span<const Tensor> prepared, std::span<const double> outputs) override {
    const Tensor x = prepared[0].placed_on(nullptr).to(DType::f64);
    const std::int64_t n = x.dim(0), m = x.dim(1);
    using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<const Matrix> X(x.data<double>(), n, m);
    const Eigen::Map<const Eigen::VectorXd> y(outputs.data(), n);
    const double mean = y.mean(), lambda = settings_.number("lambda") * static_cast<double>(n);
    const Matrix normal = X.transpose() * X + lambda * Matrix::Identity(m, m);
    const Eigen::LDLT<Matrix> factors = normal.ldlt();
    const Eigen::VectorXd w = factors.solve(X.transpose() * (y.array() - mean).matrix());
    if (factors.info() != Eigen::Success || !w.allFinite())
      throw NumericError("[ridge] {} networks of {} inputs have no solution with lambda {}; give a larger one", n, m,
                         settings_.number("lambda"));
    const Tensor weight = Tensor::from<double>({w.data(), static_cast<std::size_t>(m)}, {m}),
                 bias = Tensor::from<double>({&mean, 1}, {1});
    for (const auto& [parameter, values] : {std::pair{weight_, weight}, std::pair{bias_, bias}}) {
      const Tensor to = parameters().value(parameter);
      to.copy_from(values.to(to.dtype()).placed_on(to.backend()));
    }
    parameters().changed();
    return true;
  }

  Var forward(Tape& tape, std::span<const Tensor> prepared) const override {
    const Var weight = reshape(on(tape, weight_), {1, inputs()});
    return reshape(contract("bi,oi+o->bo", tape.constant(prepared[0]), weight, on(tape, bias_)), {prepared[0].dim(0)});
  }

 private:
  int weight_, bias_;
};

}  // namespace

extern const ModelKind ridge_model{
    .name = "ridge",
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
    .make = [](const ModelKind&, const Settings& settings, const Space& space) -> std::unique_ptr<Reader> {
      return std::make_unique<Ridge>(settings, space);
    }};

}  // namespace weft
