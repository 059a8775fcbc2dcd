// Input networks compute what spec 1 says: values against plain loops, and what they refuse.

#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/groups/space.h"
#include "weft/nfn/forward.h"
#include "weft/ops/pointwise.h"

using namespace weft;

namespace {

constexpr std::int64_t batch = 2;

Tensor normals(const Shape& shape, RandomKey key) {
  const Tensor t = Tensor::zeros(shape, DType::f64);
  fill_normal(t, key);
  return t;
}

std::vector<Tensor> weights_of(const Space& space, RandomKey key) {
  std::vector<Tensor> u;
  for (int i = 0; i < static_cast<int>(space.tensors().size()); ++i)
    u.push_back(normals(space.feature_shape(i, batch, 1), key.at(static_cast<std::uint64_t>(i))));
  return u;
}

/// The numbers of run(tape, weights).
template <class Run>
std::vector<double> evaluate(const std::vector<Tensor>& weights, const Run& run) {
  Arena arena;
  Tape tape(arena);
  std::vector<Var> vars;
  for (const Tensor& t : weights) vars.push_back(tape.constant(t));
  const Tensor y = run(tape, std::span<const Var>(vars)).value();
  return {y.span<double>().begin(), y.span<double>().end()};
}

using Vector = std::vector<double>;

/// A matrix of one network: rows x columns numbers, row by row.
struct Matrix {
  std::size_t rows, columns;
  Vector values;
  double operator()(std::size_t r, std::size_t c) const { return values[r * columns + c]; }
  double& operator()(std::size_t r, std::size_t c) { return values[r * columns + c]; }
};

/// Part `i` of a tensor, as rows x columns.
Matrix part(const Tensor& t, std::int64_t i, std::int64_t rows, std::int64_t columns) {
  const double* begin = t.data<double>() + i * rows * columns;
  return {static_cast<std::size_t>(rows), static_cast<std::size_t>(columns), Vector(begin, begin + rows * columns)};
}

Matrix times(const Matrix& a, const Matrix& b) {
  Matrix c{a.rows, b.columns, Vector(a.rows * b.columns, 0.0)};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < b.columns; ++j)
      for (std::size_t k = 0; k < a.columns; ++k) c(i, j) += a(i, k) * b(k, j);
  return c;
}

Matrix transposed(const Matrix& a) {
  Matrix t{a.columns, a.rows, Vector(a.values.size())};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.columns; ++j) t(j, i) = a(i, j);
  return t;
}

/// Adds b, or a row to every row.
void accumulate(Matrix& a, const Matrix& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i % b.values.size()];
}

Matrix layer_norm_of(Matrix x) {
  for (std::size_t r = 0; r < x.rows; ++r) {
    double mean = 0, variance = 0;
    for (std::size_t c = 0; c < x.columns; ++c) mean += x(r, c) / static_cast<double>(x.columns);
    for (std::size_t c = 0; c < x.columns; ++c)
      variance += (x(r, c) - mean) * (x(r, c) - mean) / static_cast<double>(x.columns);
    for (std::size_t c = 0; c < x.columns; ++c) x(r, c) = (x(r, c) - mean) / std::sqrt(variance + 1e-5);
  }
  return x;
}

void softmax_rows(Matrix& x) {
  for (std::size_t r = 0; r < x.rows; ++r) {
    double sum = 0;
    for (std::size_t c = 0; c < x.columns; ++c) sum += std::exp(x(r, c));
    for (std::size_t c = 0; c < x.columns; ++c) x(r, c) = std::exp(x(r, c)) / sum;
  }
}

/// The layers W1 b1 … of one network from `first` on, with act between them.
template <class Act>
Vector dense(const std::vector<Tensor>& u, std::size_t first, std::int64_t b, Vector y, const Act& act) {
  for (std::size_t i = first; i < u.size(); i += 2) {
    const std::int64_t rows = u[i].dim(2), columns = u[i].dim(3);
    Matrix z = times(part(u[i], b, rows, columns), {y.size(), 1, y});
    accumulate(z, part(u[i + 1], b, rows, 1));
    if (i + 2 < u.size())
      for (double& x : z.values) x = act(x);
    y = z.values;
  }
  return y;
}

}  // namespace

TEST_CASE("dense networks: values are those of loops") {
  struct Activation {
    UnaryOp op;
    std::optional<double> p;
    double (*value)(double z);
  };
  const std::int64_t widths[] = {2, 6, 4, 3};
  const Tensor x = normals({batch, 1, 5, 2}, RandomKey(1, "x"));
  const auto u = weights_of(mlp_space(widths, FactorKind::permutation), RandomKey(1, "dense"));
  for (const Activation& a :
       {Activation{UnaryOp::Relu, {}, [](double z) { return std::max(z, 0.0); }},
        {UnaryOp::LeakyRelu, 0.1, [](double z) { return std::max(z, 0.1 * z); }},
        {UnaryOp::Tanh, {}, [](double z) { return std::tanh(z); }},
        {UnaryOp::Sin, 30, [](double z) { return std::sin(30 * z); }},
        {UnaryOp::Sigmoid, {}, [](double z) { return 1 / (1 + std::exp(-z)); }},
        {UnaryOp::Gelu, {}, [](double z) { return z / 2 * (1 + std::erf(z / std::sqrt(2.0))); }}}) {
    Vector expected;
    for (std::int64_t item = 0; item < batch * 5; ++item) {
      const Vector y = dense(u, 0, item / 5, part(x, item, 2, 1).values, a.value);
      expected.insert(expected.end(), y.begin(), y.end());
    }
    const auto got =
        evaluate(u, [&](Tape& tape, std::span<const Var> w) { return mlp_forward(w, tape.constant(x), a.op, a.p); });
    // sin(30 z) makes thirty of one rounding.
    CHECK_MESSAGE(relative_error(got, expected) < 1e-11, traits(a.op).name);
  }
}

TEST_CASE("convolutional networks with stride and padding: values are those of loops over pixels") {
  const std::int64_t widths[] = {2, 4, 5, 3, 6, 2};
  const std::array<std::int64_t, 2> taps[] = {{3, 2}, {2, 3}, {1, 1}, {1, 1}, {1, 1}};
  const PatchShape layers[] = {{3, 2, 1, 1}, {2, 3, 2, 0}, {1, 1, 2, 1}};
  const Tensor x = normals({batch, 3, 2, 6, 7}, RandomKey(2, "images"));
  const auto u = weights_of(cnn_space(widths, taps, FactorKind::permutation), RandomKey(2, "convolutions"));
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  Vector expected;
  for (std::int64_t item = 0; item < batch * 3; ++item) {
    const std::int64_t b = item / 3;
    std::int64_t C = 2, H = 6, W = 7;
    Vector image = part(x, item, C * H, W).values;
    for (std::size_t i = 0; i < 3; ++i) {
      const PatchShape& k = layers[i];
      const std::int64_t rows = (H + 2 * k.padding - k.rows) / k.stride + 1,
                         columns = (W + 2 * k.padding - k.columns) / k.stride + 1, out = widths[i + 1];
      Vector next;
      for (std::int64_t place = 0; place < out * rows * columns; ++place) {
        const std::int64_t o = place / (rows * columns), r = place / columns % rows, s = place % columns;
        double sum = u[2 * i + 1].data<double>()[b * out + o];
        for (std::int64_t tap = 0; tap < k.rows * k.columns; ++tap) {
          // Weights are [taps, out, in], the taps row by row.
          const std::int64_t row = r * k.stride + tap / k.columns - k.padding,
                             column = s * k.stride + tap % k.columns - k.padding;
          if (row < 0 || row >= H || column < 0 || column >= W) continue;
          const Matrix w = part(u[2 * i], b * k.rows * k.columns + tap, out, C);
          for (std::int64_t c = 0; c < C; ++c) sum += w(at(o), at(c)) * image[at((c * H + row) * W + column)];
        }
        next.push_back(std::tanh(sum));
      }
      image = next;
      C = out, H = rows, W = columns;
    }
    Vector means(at(C), 0.0);
    for (std::size_t i = 0; i < image.size(); ++i) means[i / at(H * W)] += image[i] / static_cast<double>(H * W);
    const Vector y = dense(u, 6, b, means, [](double z) { return std::tanh(z); });
    expected.insert(expected.end(), y.begin(), y.end());
  }
  const auto got = evaluate(
      u, [&](Tape& tape, std::span<const Var> w) { return cnn_forward(w, layers, tape.constant(x), UnaryOp::Tanh); });
  CHECK(relative_error(got, expected) < 1e-12);
}

TEST_CASE("transformer blocks: values are those of the formulas of spec 1.2 and 1.4") {
  constexpr std::int64_t D = 6, A = 5, h = 3, k = 4, v = 2, n = 4;
  const Tensor x = normals({batch, 1, n, D}, RandomKey(3, "tokens"));
  const auto u = weights_of(transformer_space({D, A, h, k, v}, false), RandomKey(3, "block"));
  for (const bool residual : {false, true}) {
    Vector expected;
    for (std::int64_t b = 0; b < batch; ++b) {
      const Matrix input = part(x, b, n, D), normed = layer_norm_of(input);
      Matrix y{n, D, Vector(n * D, 0.0)};
      for (std::int64_t head = b * h; head < (b + 1) * h; ++head) {
        Matrix scores = times(times(normed, part(u[0], head, D, k)), transposed(times(normed, part(u[1], head, D, k))));
        for (double& s : scores.values) s /= std::sqrt(static_cast<double>(k));
        softmax_rows(scores);
        accumulate(y, times(times(times(scores, normed), part(u[2], head, D, v)), part(u[3], head, v, D)));
      }
      if (residual) accumulate(y, input);
      Matrix hidden = times(layer_norm_of(y), part(u[4], b, D, A));
      accumulate(hidden, part(u[5], b, 1, A));
      for (double& z : hidden.values) z = std::max(z, 0.0);
      Matrix out = times(hidden, part(u[6], b, A, D));
      accumulate(out, part(u[7], b, 1, D));
      if (residual) accumulate(out, y);
      expected.insert(expected.end(), out.values.begin(), out.values.end());
    }
    const auto got = evaluate(u, [&](Tape& tape, std::span<const Var> w) {
      return transformer_block_forward(w, tape.constant(x), residual);
    });
    CHECK(relative_error(got, expected) < 1e-12);
  }
}

TEST_CASE("networks refuse weights and inputs that do not fit") {
  Arena arena;
  Tape tape(arena);
  auto zeros = [&](const Shape& shape) { return tape.constant(Tensor::zeros(shape, DType::f64)); };
  const std::vector<Var> odd(3, zeros({1, 1, 2, 2})), two(2, zeros({1, 1, 2, 2}));
  const PatchShape one{1, 1};
  CHECK_THROWS_WITH_AS(mlp_forward(odd, zeros({1, 1, 1, 2}), UnaryOp::Relu),
                       "[mlp_forward] 3 tensors; allowed: a weight and a bias per layer", ShapeError);
  CHECK_THROWS_WITH_AS(mlp_forward({}, zeros({1, 1, 1, 2}), UnaryOp::Relu),
                       "[mlp_forward] 0 tensors; allowed: a weight and a bias per layer", ShapeError);
  CHECK_THROWS_WITH_AS(cnn_forward(odd, {&one, 1}, zeros({1, 1, 1, 2, 2}), UnaryOp::Relu),
                       "[cnn_forward] 3 tensors; allowed: a weight and a bias per layer", ShapeError);
  CHECK_THROWS_WITH_AS(cnn_forward(two, {&one, 1}, zeros({1, 1, 1, 2, 2}), UnaryOp::Relu),
                       "[cnn_forward] 2 tensors for 1 convolutions; allowed: two each, and at least one dense layer",
                       ShapeError);
  CHECK_THROWS_WITH_AS(cnn_forward(two, {}, zeros({1, 1, 2, 2}), UnaryOp::Relu),
                       "[cnn_forward] images of shape [1, 1, 2, 2]; allowed: [B, n, C, H, W]", ShapeError);
  CHECK_THROWS_WITH_AS(transformer_block_forward(two, zeros({1, 1, 2, 2}), false),
                       "[transformer_block_forward] 2 tensors; allowed: WQ WK WV WO WA bA WB bB", ShapeError);
}
