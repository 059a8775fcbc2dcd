#include "weft/nfn/term_layer.h"

#include <algorithm>
#include <cmath>

#include "weft/ops/terms.h"

namespace weft {

std::vector<int> declare_parameters(Parameters& parameters, const std::string& name, const TermList& list,
                                    std::int64_t d, std::int64_t e, bool train_psi) {
  std::vector<int> numbers;
  for (int i = 0; i < static_cast<int>(list.parameters().size()); ++i) {
    const TermParameter& p = list.parameters()[static_cast<std::size_t>(i)];
    const std::string full = name + "." + p.name;
    if (p.kind == ParameterKind::psi) {
      const bool low_rank = std::find(p.shared.begin(), p.shared.end(), true) != p.shared.end();
      double size = low_rank ? 1 : static_cast<double>(d);
      for (std::size_t k = 0; k < p.index_sizes.size(); ++k)
        if (!p.shared[k]) size *= static_cast<double>(p.index_sizes[k]);
      numbers.push_back(parameters.add(full, p.shape(e, d), Init::normal(1 / (low_rank ? std::sqrt(size) : size)),
                                       train_psi || low_rank));
    } else if (p.kind == ParameterKind::constant) {
      numbers.push_back(parameters.add(full, p.shape(e, d), Init::zeros()));
    } else {
      const TermList::Fans fans = list.group_fans(i, e, d);
      numbers.push_back(parameters.add(full, p.shape(e, d), Init::xavier_normal(fans.fan_in, fans.fan_out)));
    }
  }
  return numbers;
}

std::span<Var> learned_on(const Parameters& parameters, Tape& tape, std::span<const int> numbers) {
  const std::span<Var> learned = tape.variables(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) learned[i] = parameters.on(tape, numbers[i]);
  return learned;
}

TermLayer::TermLayer(Parameters& parameters, const std::string& name, const Space& in, const Space& out,
                     const std::string& terms, std::int64_t d, std::int64_t e, bool train_psi)
    : list_(in, out, terms), e_(e), parameters_(declare_parameters(parameters, name, list_, d, e, train_psi)) {}

void TermLayer::operator()(const Parameters& parameters, std::span<const Var> inputs, std::span<Var> outputs) const {
  if (inputs.empty()) throw ShapeError("[term_layer] no inputs");
  run_terms(list_, inputs, learned_on(parameters, inputs[0].tape(), parameters_), e_, outputs);
}

}  // namespace weft
