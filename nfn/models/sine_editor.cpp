#include "weft/nfn/models/sine_editor.h"

#include <fmt/format.h>

#include "weft/nfn/models/inr_layers.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// Cosines of the hidden biases: flips leave them as they are.
Space cosines(const std::vector<std::int64_t>& widths) {
  std::string factors, tensors;
  for (std::size_t l = 1; l + 1 < widths.size(); ++l) {
    factors += fmt::format("{}h{}: sign_monomial({})", l > 1 ? "; " : "", l, widths[l]);
    tensors += fmt::format(" C{0}[h{0}^0]", l);
  }
  return Space::parse(factors + tensors);
}

}  // namespace

SineEditor::SineEditor(const Config& c, const Module& as)
    : Module(as),
      features_(*this, "features", {.widths = c.widths, .frequencies = c.frequencies, .deviation = c.deviation}),
      lift_(*this, "lift", space(), space(), linear_terms(InrLayers::monomial, c.widths), features_.channels(), c.d),
      last_(*this, "last", space(), space(), linear_terms(InrLayers::monomial, c.widths), c.d, c.outputs),
      scale_(*this, "scale", space()),
      cosines_(cosines(c.widths)) {
  for (int i = 0; i < c.layers; ++i)
    layers_.emplace_back(*this, "layers." + std::to_string(i), space(), c.d, c.d, false);
}

Features SineEditor::operator()(const Features& x) const {
  const LayerInput activated{.activation = UnaryOp::Sin};
  Features y = lift_(features_(x));
  for (const MagepEquivariant& layer : layers_) y = layer(y, activated);
  y = scale_(last_(y, activated));
  Tape& tape = x.tape();
  const std::size_t tensors = y.vars().size();
  const std::span<Var> update = tape.variables(tensors);
  for (std::size_t t = 0; t < tensors; ++t) {
    update[t] = y.vars()[t];
    if (t + 2 >= tensors) continue;  // the last layer's neurons are pixels
    const Var bias = tape.constant(x.vars()[t / 2 * 2 + 1].value());
    const Var cosine = tape.constant(cos(bias, siren_omega).value(), cosines_.type(static_cast<int>(t / 2)));
    update[t] = contract(t % 2 == 0 ? "beij,bci->beij" : "bei,bci->bei", update[t], cosine);
  }
  return with_update(x, {space(), update});
}

}  // namespace weft
