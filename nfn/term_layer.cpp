#include "weft/nfn/term_layer.h"

#include "weft/ops/terms.h"

namespace weft {

TermLayer::TermLayer(Parameters& parameters, const std::string& name, const Space& in, const Space& out,
                     const std::string& terms, std::int64_t d, std::int64_t e, bool train_psi)
    : list_(in, out, terms), e_(e) {
  for (int i = 0; i < static_cast<int>(list_.parameters().size()); ++i) {
    const TermParameter& p = list_.parameters()[static_cast<std::size_t>(i)];
    const std::string full = name + "." + p.name;
    if (p.kind == ParameterKind::psi) {
      double size = static_cast<double>(d);
      for (auto n : p.index_sizes) size *= static_cast<double>(n);
      parameters_.push_back(parameters.add(full, p.shape(e, d), Init::normal(1 / size), train_psi));
    } else if (p.kind == ParameterKind::constant) {
      parameters_.push_back(parameters.add(full, p.shape(e, d), Init::zeros()));
    } else {
      const TermList::Fans fans = list_.group_fans(i, e, d);
      parameters_.push_back(parameters.add(full, p.shape(e, d), Init::xavier_normal(fans.fan_in, fans.fan_out)));
    }
  }
}

void TermLayer::operator()(const Parameters& parameters, std::span<const Var> inputs, std::span<Var> outputs) const {
  if (inputs.empty()) throw ShapeError("[term_layer] no inputs");
  Tape& tape = inputs[0].tape();
  const std::span<Var> learned(tape.arena().allocate_array<Var>(parameters_.size()), parameters_.size());
  for (std::size_t i = 0; i < parameters_.size(); ++i) new (&learned[i]) Var(parameters.on(tape, parameters_[i]));
  run_terms(list_, inputs, learned, e_, outputs);
}

}  // namespace weft
