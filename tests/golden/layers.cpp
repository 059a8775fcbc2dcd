// Kinds whose model is a list of terms; where there is a fast schedule, through both.

#include <functional>

#include "weft/groups/derive.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nfn/transformer/equivariant.h"
#include "weft/nfn/transformer/invariant.h"
#include "weft/ops/terms.h"
#include "weft/tests/golden/golden.h"

namespace weft::golden {
namespace {

using Widths = std::vector<std::int64_t>;
using Taps = std::vector<std::array<std::int64_t, 2>>;

/// Runs a layer that is a list of terms: features and learned tensors in, one variable per tensor of the output space.
using Layer = std::function<void(std::span<const Var> features, std::span<const Var> learned, std::span<Var> outputs)>;

std::string check_layer(const File& file, Run& run, const TermList& list, const Layer& layer) {
  const std::int64_t d = file.config.at("d"), e = file.config.at("e");
  const Space &in = list.in(), &out = list.out();
  const std::int64_t batch = file.data.shape("in." + in.tensors()[0].name)[0];
  std::vector<Var> features, parameters, outputs(out.tensors().size());
  for (int i = 0; i < static_cast<int>(in.tensors().size()); ++i)
    features.push_back(
        run.leaf("in." + in.tensors()[static_cast<std::size_t>(i)].name, in.feature_shape(i, batch, d), in.type(i)));
  for (const TermParameter& p : list.parameters()) parameters.push_back(run.leaf("param." + p.name, p.shape(e, d)));
  layer(features, parameters, outputs);
  std::map<std::string, Var> named;
  for (std::size_t i = 0; i < outputs.size(); ++i) named[out.tensors()[i].name] = outputs[i];
  return run.compare(named);
}

std::string check_list(const File& file, Run& run, const TermList& list) {
  return check_layer(file, run, list, [&](auto features, auto learned, auto outputs) {
    run_terms(list, features, learned, file.config.at("e"), outputs);
  });
}

std::string check_list(const File& file, Run& run, const Space& in, const Space& out, const std::string& terms) {
  return check_list(file, run, TermList(in, out, terms));
}

Space magep_space(const File& file) {
  return mlp_space(file.config.at("widths").get<Widths>(), FactorKind::positive_monomial);
}

/// A layer by its list and by its fast schedule.
template <class Made>
std::string check_both(const File& file, Run& run, const Space& space) {
  const Made layer(Module(), "layer", space, file.config.at("d"), file.config.at("e"));
  if (std::string wrong = check_list(file, run, layer.list()); !wrong.empty()) return wrong;
  Run again(file, run.dtype());
  const std::string wrong = check_layer(file, again, layer.list(), [&](auto features, auto learned, auto outputs) {
    const auto y = layer.apply({layer.in(), features}, learned);
    if constexpr (requires { y.vars(); })
      std::ranges::copy(y.vars(), outputs.begin());
    else
      outputs[0] = y;
  });
  return wrong.empty() ? "" : "schedule: " + wrong;
}

std::string magep_equivariant(const File& file, Run& run) {
  return check_both<MagepEquivariant>(file, run, magep_space(file));
}
std::string magep_invariant(const File& file, Run& run) {
  return check_both<MagepInvariant>(file, run, magep_space(file));
}

std::string monomial_linear(const File& file, Run& run) {
  const Widths widths = file.config.at("widths");
  const Taps dense(widths.size() - 1, {1, 1});
  const weft::FactorKind kind =
      file.config.at("sign").get<bool>() ? FactorKind::sign_monomial : FactorKind::positive_monomial;
  const Space in = cnn_space(widths, file.config.value("taps_in", dense), kind),
              out = cnn_space(widths, file.config.value("taps_out", dense), kind);
  return check_list(file, run, in, out, derive_linear(in, out));
}

Space block_space(const File& file) {
  const auto& c = file.config;
  return transformer_space({c.at("D"), c.at("D_A"), c.at("h"), c.at("Dk"), c.at("Dv")}, false);
}

std::string transformer_equivariant(const File& file, Run& run) {
  return check_both<TransformerEquivariant>(file, run, block_space(file));
}
std::string transformer_invariant(const File& file, Run& run) {
  return check_both<TransformerInvariant>(file, run, block_space(file));
}

}  // namespace

std::map<std::string, Check> layer_kinds() {
  return {{"magep.equivariant", magep_equivariant},
          {"magep.invariant", magep_invariant},
          {"monomial.linear", monomial_linear},
          {"transformer.equivariant", transformer_equivariant},
          {"transformer.invariant", transformer_invariant}};
}

}  // namespace weft::golden
