#include "weft/tests/term_checks.h"

#include <algorithm>
#include <cmath>

#include "weft/core/difference.h"
#include "weft/ops/act.h"
#include "weft/ops/terms.h"

namespace weft::testing {
namespace {

constexpr std::int64_t batch = 2, d = 2, e = 3;
constexpr double plain = 1e-2;  ///< a difference that no further element needs to show

std::vector<Tensor> run(Tape& tape, const TermList& list, const std::vector<Tensor>& features,
                        const std::vector<Tensor>& parameters) {
  tape.reset();
  std::vector<Var> x, p, y(list.out().tensors().size());
  for (std::size_t i = 0; i < features.size(); ++i)
    x.push_back(tape.constant(features[i], list.in().type(static_cast<int>(i))));
  for (const Tensor& t : parameters) p.push_back(tape.constant(t));
  run_terms(list, x, p, e, y);
  std::vector<Tensor> out;
  for (const Var& v : y) out.push_back(v.value().clone());
  return out;
}

std::vector<Tensor> normals(std::span<const Shape> shapes, RandomKey key) {
  std::vector<Tensor> out;
  for (const Shape& shape : shapes) {
    out.push_back(Tensor::zeros(shape, DType::f64));
    fill_normal(out.back(), key.at(out.size()));
  }
  return out;
}

std::vector<Tensor> moved(const Element& g, const std::vector<Tensor>& x) {
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < x.size(); ++i) out.push_back(act(g, static_cast<int>(i), x[i]));
  return out;
}

}  // namespace

Element carried(const Element& g, const Space& to) {
  std::vector<ElementPart> parts;
  const Element identity = Element::identity(to);
  for (std::size_t i = 0; i < to.factors().size(); ++i) {
    const int from = g.space().find_factor(to.factors()[i].name);
    parts.push_back(from >= 0 ? g.part(from) : identity.part(static_cast<int>(i)));
  }
  return Element(to, std::move(parts));
}

double equivariance_error(const TermList& list, RandomKey key, int elements) {
  std::vector<Shape> features, parameters;
  for (std::size_t i = 0; i < list.in().tensors().size(); ++i)
    features.push_back(list.in().feature_shape(static_cast<int>(i), batch, d));
  for (const TermParameter& p : list.parameters()) parameters.push_back(p.shape(e, d));
  const auto x = normals(features, key.at("features")), p = normals(parameters, key.at("parameters"));
  Arena arena;
  Tape tape(arena);
  const auto y = run(tape, list, x, p);
  double size = 0, worst = 0;
  for (const Tensor& t : y)
    for (double v : t.span<double>()) size = worse(size, std::abs(v));
  for (int trial = 0; trial < elements && !(worst > plain * size); ++trial) {
    const Element g = Element::random(list.in(), key.at("element").at(static_cast<std::uint64_t>(trial)));
    const auto got = run(tape, list, moved(g, x), p), expected = moved(carried(g, list.out()), y);
    Difference difference;
    for (std::size_t i = 0; i < expected.size(); ++i) difference.add(got[i], expected[i]);
    worst = worse(worst, difference.absolute());
  }
  return worst / std::max(size, 1e-300);
}

}  // namespace weft::testing
