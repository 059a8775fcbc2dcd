#include "weft/nfn/list_layer.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weft/ops/terms.h"

namespace weft {

ListLayer::ListLayer(const Module& parent, std::string_view name, const char* who, TermList list, std::int64_t d,
                     std::int64_t e)
    : Module(parent, name), who_(who), list_(std::make_shared<TermList>(std::move(list))), d_(d), e_(e) {
  facts() = {.text = fmt::format("{} {} -> {}, {} terms", who, d, e, list_->terms().size()),
             .flops = [list = list_, d, e](std::int64_t batch) { return term_flops(*list, batch, d, e); },
             .list = list_};
}

void ListLayer::declare(const Shape& shape, Init init, bool trainable, GradientForm form) {
  numbers_.push_back(add_parameter(list_->parameters()[numbers_.size()].name, shape, init, trainable, form));
}

void ListLayer::declare(bool train_psi, std::span<const double> start) {
  for (const TermParameter& p : list_->parameters()) {
    const Shape shape = p.shape(e_, d_);
    if (p.kind == ParameterKind::psi) {
      const bool low_rank = std::ranges::find(p.shared, true) != p.shared.end();
      double size = low_rank ? 1 : static_cast<double>(d_);
      for (std::size_t k = 0; k < p.index_sizes.size(); ++k)
        if (!p.shared[k]) size *= static_cast<double>(p.index_sizes[k]);
      declare(shape, Init::normal(1 / (low_rank ? std::sqrt(size) : size)), train_psi || low_rank);
    } else if (p.kind == ParameterKind::constant) {
      declare(shape, Init::zeros(), true);
    } else {
      const TermList::Fans fans = list_->group_fans(static_cast<int>(numbers_.size()), e_, d_);
      Init init = Init::xavier_normal(fans.fan_in, fans.fan_out);
      if (!start.empty() && p.target >= 0) init.scale *= start[static_cast<std::size_t>(p.target)];
      declare(shape, init, true);
    }
  }
}

std::span<const Var> ListLayer::learned_on(Tape& tape) const {
  const std::span<Var> learned = tape.variables(numbers_.size());
  for (std::size_t i = 0; i < numbers_.size(); ++i) learned[i] = on(tape, numbers_[i]);
  return learned;
}

void ListLayer::check(const Features& x, std::span<const Var> learned, const LayerInput& input) const {
  check_features(who_, *list_, x.vars(), d_);
  check_parameters(who_, *list_, learned, d_, e_, x.dtype());
  check_reading(input);
}

std::span<const Var> ListLayer::node_inputs(const Features& x, std::span<const Var> learned) {
  const std::span<Var> all = x.tape().variables(x.vars().size() + learned.size());
  std::ranges::copy(learned, std::ranges::copy(x.vars(), all.begin()).out);
  return all;
}

std::span<Output> ListLayer::make_outputs(const Features& x) const {
  Tape& tape = x.tape();
  const std::size_t count = list_->out().tensors().size();
  const std::span<Output> made(tape.host().allocate_array<Output>(count), count);
  for (std::size_t i = 0; i < count; ++i) {
    const int tensor = static_cast<int>(i);
    new (&made[i])
        Output{tape.empty(list_->out().feature_shape(tensor, x.batch(), e_), x.dtype()), list_->out().type(tensor)};
  }
  return made;
}

Features EquivariantLayer::apply(const Features& x, std::span<const Var> learned, const LayerInput& input) const {
  check(x, learned, input);
  const std::span<Var> y = x.tape().variables(out().tensors().size());
  run(x, learned, y, input);
  return {out(), y};
}

Var InvariantLayer::apply(const Features& x, std::span<const Var> learned, const LayerInput& input) const {
  check(x, learned, input);
  return run(x, learned, input);
}

TermLayer::TermLayer(const Module& parent, std::string_view name, const Space& in, const Space& out,
                     const std::string& terms, std::int64_t d, std::int64_t e, bool train_psi)
    : EquivariantLayer(parent, name, "term_layer", TermList(in, out, terms), d, e) {
  declare(train_psi);
}

void TermLayer::run(const Features& x, std::span<const Var> learned, std::span<Var> y, const LayerInput& input) const {
  run_terms(*list_, read_features(input, in(), x.vars()), learned, e_, y);
}

}  // namespace weft
