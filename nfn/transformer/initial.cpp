#include "weft/nfn/transformer/initial.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace weft::transformer {
namespace {

TermList::Fans fans_of(const TermList& list, int parameter, std::int64_t d, std::int64_t e) {
  const TermParameter& p = list.parameters()[static_cast<std::size_t>(parameter)];
  if (p.kind == ParameterKind::constant) return {0, static_cast<double>(p.shape(e, d).numel())};
  for (const TermResolved& term : list.terms()) {
    const bool names_it = std::ranges::any_of(term.operands, [&](const TermOperand& operand) {
      return operand.source == OperandSource::learned && operand.which == parameter;
    });
    if (!names_it || term.to_let) continue;
    const auto feature =
        std::ranges::find_if(term.operands, [](const TermOperand& o) { return o.source != OperandSource::learned; });
    const int heads = list.in().find_factor("h");
    TermList::Fans fans{static_cast<double>(d), 1};
    if (feature->source == OperandSource::let)
      fans.fan_in *= static_cast<double>(list.in().factors()[static_cast<std::size_t>(heads)].size);
    for (const TermAxis& axis : feature->axes) {
      const bool kept = std::ranges::find(term.left, axis.index) != term.left.end();
      (kept ? fans.fan_out : fans.fan_in) *=
          static_cast<double>(term.indices[static_cast<std::size_t>(axis.index)].size);
    }
    if (feature->source == OperandSource::feature && term.left.size() == 3 && p.index_sizes.size() == 2) {
      const Shape axes = list.in().axes_shape(feature->which);  // WQ, WK, WV
      fans = {static_cast<double>(d * axes[2]), static_cast<double>(axes[0] * axes[1])};
    }
    return fans;
  }
  throw UsageError("[transformer] no term has the parameter '{}'", p.name);
}

}  // namespace

std::vector<double> initial_deviations(const TermList& list, const std::vector<InitialTerms>& groups, std::int64_t d,
                                       std::int64_t e) {
  std::vector<double> all(list.parameters().size(), 0);
  for (const InitialTerms& group : groups) {
    std::vector<int> members;
    TermList::Fans sum;
    for (int m : group.phis)
      for (int i = 0; i < static_cast<int>(list.parameters().size()); ++i) {
        if (list.parameters()[static_cast<std::size_t>(i)].name != fmt::format("{}phi{}", group.output, m)) continue;
        const TermList::Fans fans = fans_of(list, i, d, e);
        sum.fan_in += fans.fan_in;
        sum.fan_out += fans.fan_out;
        members.push_back(i);
      }
    for (int i : members)
      all[static_cast<std::size_t>(i)] = std::pow(2 / (sum.fan_in + sum.fan_out), 0.5 * group.power);
  }
  return all;
}

std::vector<InitialParameter> initial_parameters(const TermList& list, const std::vector<InitialTerms>& groups,
                                                 const std::vector<int>& outer, std::int64_t d, std::int64_t e) {
  const std::vector<double> deviations = initial_deviations(list, groups, d, e);
  std::vector<InitialParameter> all;
  for (std::size_t i = 0; i < deviations.size(); ++i) {
    const bool factored = std::ranges::find(outer, static_cast<int>(i)) != outer.end();
    all.push_back(
        {list.parameters()[i].shape(e, d), deviations[i], factored ? GradientForm::outer : GradientForm::whole});
  }
  return all;
}

}  // namespace weft::transformer
