// What a list of terms costs: parameters and fans (spec 7.3, 2.5).

#include "weft/groups/term.h"

namespace weft {

Shape TermParameter::shape(std::int64_t e, std::int64_t d) const {
  Shape shape;
  if (kind != ParameterKind::psi) shape.push_back(e * taps_out);
  if (kind != ParameterKind::constant) shape.push_back(d * taps_in);
  for (auto size : index_sizes) shape.push_back(size);
  return shape;
}

double TermResolved::scale() const {
  double s = 1;
  for (int i : averaged) s /= static_cast<double>(indices[static_cast<std::size_t>(i)].size);
  return s;
}

TermList::Fans TermList::fans(int parameter, std::int64_t e, std::int64_t d) const {
  const TermParameter& p = parameters_[static_cast<std::size_t>(parameter)];
  Fans f{p.kind == ParameterKind::constant ? 1. : static_cast<double>(d * p.taps_in),
         p.kind == ParameterKind::psi ? 1. : static_cast<double>(e * p.taps_out)};
  for (std::size_t i = 0; i < p.index_sizes.size(); ++i)
    (p.on_left[i] ? f.fan_out : f.fan_in) *= static_cast<double>(p.index_sizes[i]);
  return f;
}

TermList::Fans TermList::group_fans(int parameter, std::int64_t e, std::int64_t d) const {
  Fans sum;
  for (int i = 0; i < static_cast<int>(parameters_.size()); ++i) {
    const TermParameter& p = parameters_[static_cast<std::size_t>(i)];
    if (p.kind != ParameterKind::phi || p.target != parameters_[static_cast<std::size_t>(parameter)].target) continue;
    const Fans f = fans(i, e, d);
    sum.fan_in += f.fan_in;
    sum.fan_out += f.fan_out;
  }
  return sum;
}

std::int64_t TermList::parameter_count(std::int64_t e, std::int64_t d) const {
  std::int64_t sum = 0;
  for (const TermParameter& p : parameters_) sum += p.shape(e, d).numel();
  return sum;
}

}  // namespace weft
