#include "weft/nfn/models/sine_features.h"

#include <fmt/format.h>

#include "weft/core/constants.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// Of every layer l: S sines and E cosines of its weights, C and D cosine and sine of its biases, and W and B, what the
/// products must be.
Space table(const std::vector<std::int64_t>& widths) {
  const std::size_t L = widths.size() - 1;
  std::string factors = fmt::format("in: fixed({}); out: fixed({})", widths.front(), widths.back()), tensors;
  for (std::size_t l = 1; l < L; ++l)
    factors += fmt::format("; f{0}: sign_monomial({1}); s{0}: sign_monomial({1}) along f{0}", l, widths[l]);
  for (std::size_t l = 1; l <= L; ++l) {
    const std::string column = l == 1 ? "in*" : fmt::format("f{0}&s{0}*", l - 1);
    if (l == L)
      tensors += fmt::format(" S{0}[out, {1}] W{0}[out, {1}] B{0}[out]", l, column);
    else
      tensors += fmt::format(
          " S{0}[f{0}, {1}] E{0}[f{0}^0, {1}] C{0}[s{0}] D{0}[f{0}&s{0}] W{0}[f{0}&s{0}, {1}] B{0}[f{0}&s{0}]", l,
          column);
  }
  return Space::parse(factors + tensors);
}

}  // namespace

SineFeatures::SineFeatures(const Module& parent, std::string_view name, const Config& c)
    : Module(parent, name), frequencies_(c.frequencies), omega_(c.omega) {
  if (c.widths.size() < 3 || c.frequencies < 1)
    throw UsageError("[sine_features] {} layers, {} frequencies; allowed: 2 or more, 1 or more", c.widths.size() - 1,
                     c.frequencies);
  characters_ = table(c.widths);
  space_ = mlp_space(c.widths, FactorKind::sign_monomial);
  of_weights_ = add_parameter("frequencies", {2 * c.frequencies}, Init::normal(c.deviation), false);
  points_ = add_parameter("points", {2 * c.frequencies, c.widths.front()}, Init::uniform(1), false);
  facts().text = fmt::format("sine features, {} channels", channels());
}

Features SineFeatures::operator()(const Features& raw) const {
  Tape& tape = raw.tape();
  const std::size_t L = raw.vars().size() / 2;
  const std::span<Var> seen = tape.variables(2 * L);
  const Var frequencies = on(tape, of_weights_), points = on(tape, points_);
  const auto type = [&](char letter, std::size_t l) {
    return characters_.type(characters_.tensor(fmt::format("{}{}", letter, l)));
  };
  const auto declared = [&](const Var& x, char letter, std::size_t l) {
    return tape.constant(x.value(), type(letter, l));
  };
  // Both characters have come to be one: from here on it is a sign like any other.
  const auto take = [&](const Var& x, char letter, std::size_t l) {
    const std::size_t t = 2 * (l - 1) + (letter == 'B');
    if (!(x.type() == type(letter, l)))
      throw TypeError("[sine_features] {}{} is of type {}; allowed: {}", letter, l, x.type().str(),
                      type(letter, l).str());
    seen[t] = tape.constant(x.value(), space_.type(static_cast<int>(t)));
  };
  const auto waves = [&](const Var& x, std::int64_t m) {
    return contract(x.shape().rank() == 4 ? "bcij,m->bmij" : "bci,m->bmi", x, slice(frequencies, 0, 0, m));
  };
  for (std::size_t l = 1; l <= L; ++l) {
    const Var W = tape.constant(raw.vars()[2 * l - 2].value()), b = tape.constant(raw.vars()[2 * l - 1].value());
    if (l == L) {
      take(declared(sin(waves(W, channels()), two_pi<double>), 'S', l), 'W', l);
      const Var phase = waves(b, frequencies_), parts[] = {sin(phase, two_pi<double>), cos(phase, two_pi<double>)};
      take(declared(concat(parts, 1), 'B', l), 'B', l);
      break;
    }
    const Var cosine = declared(cos(b, omega_), 'C', l), sine = declared(sin(b, omega_), 'D', l);
    if (l == 1) {
      const Var phase = waves(W, frequencies_);
      const Var parts[] = {contract("bmij,bci->bmij", declared(sin(phase, two_pi<double>), 'S', l), cosine),
                           contract("bmij,bci->bmij", declared(cos(phase, two_pi<double>), 'E', l), sine)};
      take(concat(parts, 1), 'W', l);
      const Var bias = reshape(b, {b.shape()[0], b.shape()[2]});
      take(declared(sin(contract("bcij,mj+bi->bmi", W, points, bias), omega_), 'D', l), 'B', l);
    } else {
      take(contract("bmij,bci->bmij", declared(sin(waves(W, channels()), two_pi<double>), 'S', l), cosine), 'W', l);
      take(sin(waves(sine, channels()), two_pi<double>), 'B', l);
    }
  }
  return {space_, seen};
}

}  // namespace weft
