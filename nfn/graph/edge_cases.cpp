// The cases of nfn/graph/edges.h and norms.h for the op runner.

#include "weft/nfn/graph/edge_cases.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "weft/nfn/graph/edges.h"
#include "weft/nfn/graph/norms.h"
#include "weft/ops/pointwise.h"

namespace weft {
namespace {

using namespace graph;

struct Sizes {
  std::int64_t e, d, batch, rows, columns;
};

double at(const Tensor& t, std::initializer_list<std::int64_t> place) {
  std::int64_t o = 0;
  int axis = 0;
  for (const std::int64_t i : place) o = o * t.dim(axis++) + i;
  return t.data<double>()[o];
}

/// r of EdgeHidden. x: its inputs, perhaps with norms.
double hidden(std::span<const Tensor> x, bool scaled, std::int64_t e, std::int64_t b, std::int64_t i, std::int64_t j) {
  double sum = at(x[2], {e, b, j}) + at(x[3], {e, b, i});
  if (scaled) sum *= at(x[4], {b, i, j});
  for (std::int64_t d = 0; d < x[0].dim(0); ++d) sum += at(x[1], {e, d}) * at(x[0], {d, b, i, j});
  return std::max(sum, 0.);
}

std::vector<Shape> edge_shapes(const Sizes& z, bool scaled) {
  std::vector<Shape> shapes{
      {z.d, z.batch, z.rows, z.columns}, {z.e, z.d}, {z.e, z.batch, z.columns}, {z.e, z.batch, z.rows}};
  if (scaled) shapes.push_back({z.batch, z.rows, z.columns});
  return shapes;
}

/// Inputs of at most 0.4 become such that every sum is far from ReLU's kink, and on which side depends on both ends.
constexpr OpRange far_range{-0.4, 0.4};
Tensor far(const Shape& shape, double high, double low) {
  const Tensor t = Tensor::zeros(shape, DType::f64);
  for (std::int64_t k = 0; k < t.numel(); ++k) t.data<double>()[k] = k % 3 == 0 ? high : low;
  return t;
}
Tensor far_columns(const Shape& shape) { return far(shape, 6, -6); }
Tensor far_rows(const Shape& shape) { return far(shape, -3, 9); }

Var beside(const Var& x, const Tensor& t) { return x.tape().constant(t.to(x.dtype()).on(x.value().backend())); }
EdgeHidden hidden_of(std::span<const Var> x, bool scaled) {
  return {x[0], x[1], add(x[2], beside(x[2], far_columns(x[2].shape()))),
          add(x[3], beside(x[3], far_rows(x[3].shape()))), scaled ? add_scalar(x[4], 1) : Var{}};
}
std::vector<Tensor> hidden_of(std::span<const Tensor> given, bool scaled) {
  std::vector<Tensor> x(given.begin(), given.end());
  const auto add_to = [&](std::size_t i, const Tensor& t) {
    x[i] = x[i].clone();
    for (std::int64_t k = 0; k < t.numel(); ++k) x[i].data<double>()[k] += t.data<double>()[k];
  };
  add_to(2, far_columns(x[2].shape()));
  add_to(3, far_rows(x[3].shape()));
  if (scaled) add_to(4, far(x[4].shape(), 1, 1));
  return x;
}

/// x: of an EdgeHidden; weight: of who sends, or null.
std::vector<double> message_reference(std::span<const Tensor> x, bool scaled, const Tensor* weight, bool to_rows) {
  std::vector<double> y;
  const std::int64_t batch = x[0].dim(1), kept = x[0].dim(to_rows ? 2 : 3), summed = x[0].dim(to_rows ? 3 : 2);
  for (std::int64_t e = 0; e < x[1].dim(0); ++e)
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t k = 0; k < kept; ++k) {
        double sum = 0;
        for (std::int64_t s = 0; s < summed; ++s)
          sum += (weight ? at(*weight, {b, s}) : 1) * hidden(x, scaled, e, b, to_rows ? k : s, to_rows ? s : k);
        y.push_back(sum / static_cast<double>(summed));
      }
  return y;
}

std::vector<double> update_reference(std::span<const Tensor> x, bool scaled, const Tensor& out, const Tensor& shift) {
  std::vector<double> y;
  for (std::int64_t d = 0; d < x[0].dim(0); ++d)
    for (std::int64_t b = 0; b < x[0].dim(1); ++b)
      for (std::int64_t i = 0; i < x[0].dim(2); ++i)
        for (std::int64_t j = 0; j < x[0].dim(3); ++j) {
          double sum = at(x[0], {d, b, i, j}) + at(shift, {d}) * (scaled ? at(x[4], {b, i, j}) : 1);
          for (std::int64_t e = 0; e < x[1].dim(0); ++e) sum += at(out, {d, e}) * hidden(x, scaled, e, b, i, j);
          y.push_back(sum);
        }
  return y;
}

OpCase message_case(const Sizes& z, bool scaled, bool weighted, Receives to) {
  const bool to_rows = to == Receives::rows;
  OpCase c;
  c.name = fmt::format("messages to {}{}{}, {} by {}", to_rows ? "rows" : "columns", scaled ? ", norms" : "",
                       weighted ? ", weights" : "", z.rows, z.columns);
  c.shapes = edge_shapes(z, scaled);
  if (weighted) c.shapes.push_back({z.batch, to_rows ? z.columns : z.rows});
  c.run = [=](Tape&, std::span<const Var> x) {
    return messages(hidden_of(x, scaled), weighted ? x.back() : Var{}, to);
  };
  c.range = far_range;
  c.reference = [=](std::span<const Tensor> x) {
    return message_reference(hidden_of(x, scaled), scaled, weighted ? &x.back() : nullptr, to_rows);
  };
  return c;
}

OpCase update_case(const Sizes& z, bool scaled) {
  OpCase c;
  c.name = fmt::format("edge_update{}, {} by {}", scaled ? ", norms" : "", z.rows, z.columns);
  c.shapes = edge_shapes(z, scaled);
  c.shapes.push_back({z.d, z.e});
  c.shapes.push_back({z.d});
  const std::size_t out = c.shapes.size() - 2;
  c.run = [=](Tape&, std::span<const Var> x) { return edge_update(hidden_of(x, scaled), x[out], x[out + 1]); };
  c.range = far_range;
  c.reference = [=](std::span<const Tensor> x) {
    return update_reference(hidden_of(x, scaled), scaled, x[out], x[out + 1]);
  };
  return c;
}

/// Over the channels, naively.
Tensor norms_of(const Tensor& x) {
  const Tensor y = Tensor::zeros(x.shape().sub(1, x.rank()), DType::f64);
  for (std::int64_t i = 0; i < x.numel(); ++i) y.data<double>()[i % y.numel()] += std::pow(x.data<double>()[i], 2);
  for (double& v : y.span<double>()) v = std::sqrt(v / static_cast<double>(x.dim(0)));
  return y;
}

OpCase norm_case(std::string name, std::vector<Shape> shapes, const std::function<Var(std::span<const Var>)>& run,
                 std::function<std::vector<double>(std::span<const Tensor>)> reference) {
  OpCase c;
  c.name = std::move(name);
  c.shapes = std::move(shapes);
  c.range = {0.2, 2};
  c.run = [run](Tape&, std::span<const Var> x) { return run(x); };
  c.reference = std::move(reference);
  return c;
}

/// On the edges W[h, k*] between two layers that scale, b and c their nodes, u and v what nothing scales.
OpCase typed_case(std::string name, std::string result, std::function<Var(std::span<const Var>)> run,
                  std::function<std::vector<double>(std::span<const Tensor>)> reference) {
  OpCase c;
  c.name = std::move(name);
  c.space = "h: positive_monomial(4); k: positive_monomial(3) W[h, k*] b[h] c[k] d[k*] u[h^0] v[k^0]";
  c.tensors = {"W", "b", "c", "u", "v"};
  c.result = std::move(result);
  c.run = [run](Tape&, std::span<const Var> x) { return run(x); };
  c.reference = std::move(reference);
  return c;
}
OpCase refused_case(std::string name, std::string result, std::function<Var(std::span<const Var>)> run,
                    std::string refusal) {
  OpCase c = typed_case(std::move(name), std::move(result), std::move(run), {});
  c.refusal = std::move(refusal);
  return c;
}

/// Learned numbers of d channels, as many as W has: a matrix, a vector.
Tensor matrix(std::int64_t d, double first) {
  const Tensor w = Tensor::zeros({d, d}, DType::f64);
  for (std::int64_t i = 0; i < w.numel(); ++i) w.data<double>()[i] = std::sin(first + static_cast<double>(i));
  return w;
}
Tensor vector(std::int64_t d) {
  const Tensor s = Tensor::zeros({d}, DType::f64);
  s.fill(0.7);
  return s;
}
constexpr double of_hidden = 0.9, of_out = -0.3;

/// x: W b c u v.
EdgeHidden typed_hidden(std::span<const Var> x) {
  return {x[0], beside(x[0], matrix(x[0].shape()[0], of_hidden)), x[4], x[3], channel_norm(x[0])};
}
std::vector<Tensor> typed_hidden(std::span<const Tensor> x) {
  return {x[0], matrix(x[0].dim(0), of_hidden), x[4], x[3], norms_of(x[0])};
}

Tensor inverse(const Tensor& x) {
  const Tensor y = x.clone();
  for (double& v : y.span<double>()) v = v > 0 ? 1 / v : 0;
  return y;
}
std::vector<double> numbers(const Tensor& t) { return {t.span<double>().begin(), t.span<double>().end()}; }
std::vector<double> scaled_reference(const Tensor& s, const Tensor& x) {
  std::vector<double> y = numbers(x);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] *= s.data<double>()[static_cast<std::int64_t>(i) % s.numel()];
  return y;
}

}  // namespace

std::vector<OpCase> edge_cases() {
  std::vector<OpCase> cases;
  for (const Sizes& z : {Sizes{2, 3, 2, 2, 1}, Sizes{3, 2, 4, 5, 18}, Sizes{2, 2, 1, 17, 3}})
    for (const bool scaled : {false, true}) {
      for (const bool weighted : {false, true})
        for (const Receives to : {Receives::rows, Receives::columns})
          cases.push_back(message_case(z, scaled, weighted, to));
      cases.push_back(update_case(z, scaled));
    }
  for (const Shape& shape : {Shape{3, 5}, Shape{2, 3, 100}, Shape{1, 4}}) {
    cases.push_back(norm_case(
        "channel_norm", {shape}, [](auto x) { return channel_norm(x[0]); },
        [](auto x) { return numbers(norms_of(x[0])); }));
    cases.push_back(norm_case(
        "scale_channels", {shape.sub(1, shape.rank()), shape}, [](auto x) { return scale_channels(x[0], x[1]); },
        [](auto x) { return scaled_reference(x[0], x[1]); }));
  }
  cases.push_back(norm_case(
      "reciprocal", {{3, 5}}, [](auto x) { return reciprocal(x[0]); }, [](auto x) { return numbers(inverse(x[0])); }));
  cases.push_back(typed_case(
      "messages to rows that scale", "b",
      [](auto x) { return messages(typed_hidden(x), channel_norm(x[2]), Receives::rows); },
      [](auto x) {
        const Tensor weight = norms_of(x[2]);
        return message_reference(typed_hidden(x), true, &weight, true);
      }));
  cases.push_back(typed_case(
      "messages to columns that scale", "d",
      [](auto x) { return messages(typed_hidden(x), reciprocal(channel_norm(x[1])), Receives::columns); },
      [](auto x) {
        const Tensor weight = inverse(norms_of(x[1]));
        return message_reference(typed_hidden(x), true, &weight, false);
      }));
  cases.push_back(typed_case(
      "edge_update of what scales", "W",
      [](auto x) {
        const std::int64_t d = x[0].shape()[0];
        return edge_update(typed_hidden(x), beside(x[0], matrix(d, of_out)), beside(x[0], vector(d)));
      },
      [](auto x) {
        return update_reference(typed_hidden(x), true, matrix(x[0].dim(0), of_out), vector(x[0].dim(0)));
      }));
  cases.push_back(typed_case(
      "canonical nodes", "u", [](auto x) { return scale_channels(reciprocal(channel_norm(x[1])), x[1]); },
      [](auto x) { return scaled_reference(inverse(norms_of(x[1])), x[1]); }));
  cases.push_back(refused_case(
      "messages without weights", "b", [](auto x) { return messages(typed_hidden(x), {}, Receives::rows); },
      "[messages] tensor 'W', axis 1 'k*' (positive_monomial(3)): messages adds entries with different scales; "
      "contract with a covector of the same factor"));
  cases.push_back(refused_case(
      "edge_update without norms", "W",
      [](auto x) {
        EdgeHidden h = typed_hidden(x);
        h.norms = {};
        const std::int64_t d = x[0].shape()[0];
        return edge_update(h, beside(x[0], matrix(d, of_out)), beside(x[0], vector(d)));
      },
      "[edge_update] tensor 'W', axis 0 'h' (positive_monomial(4)): edge_update would repeat one value over entries "
      "that scale differently; multiply by a feature of that axis"));
  cases.push_back(refused_case(
      "messages from ends that scale", "b",
      [](auto x) {
        EdgeHidden h = typed_hidden(x);
        h.of_rows = x[1];
        return messages(h, channel_norm(x[2]), Receives::rows);
      },
      "[messages] tensor 'b' of type [., ., h] has 'h' as dimension 2; allowed: 'h^0'"));
  return cases;
}

}  // namespace weft
