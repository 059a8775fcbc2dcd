// Kinds whose model is a list of terms.

#include "weft/groups/derive.h"
#include "weft/nfn/magep/terms.h"
#include "weft/nfn/transformer/terms.h"
#include "weft/ops/terms.h"
#include "weft/tests/golden/golden.h"

namespace weft::golden {
namespace {

using Widths = std::vector<std::int64_t>;
using Taps = std::vector<std::array<std::int64_t, 2>>;

std::string check_list(const File& file, Run& run, const Space& in, const Space& out, const std::string& terms) {
  const TermList list(in, out, terms);
  const std::int64_t d = file.config.at("d"), e = file.config.at("e");
  const std::int64_t batch = file.data.shape("in." + in.tensors()[0].name)[0];
  std::vector<Var> features, parameters, outputs(out.tensors().size());
  for (int i = 0; i < static_cast<int>(in.tensors().size()); ++i)
    features.push_back(
        run.leaf("in." + in.tensors()[static_cast<std::size_t>(i)].name, in.feature_shape(i, batch, d), in.type(i)));
  for (const TermParameter& p : list.parameters()) parameters.push_back(run.leaf("param." + p.name, p.shape(e, d)));
  run_terms(list, features, parameters, e, outputs);
  std::map<std::string, Var> named;
  for (std::size_t i = 0; i < outputs.size(); ++i) named[out.tensors()[i].name] = outputs[i];
  return run.compare(named);
}

Space magep_space(const File& file) {
  return mlp_space(file.config.at("widths").get<Widths>(), Kind::positive_monomial);
}
int layers(const File& file) { return static_cast<int>(file.config.at("widths").size()) - 1; }
Space scalar() { return Space::parse("y"); }

std::string magep_equivariant(const File& file, Run& run) {
  const Space space = magep_space(file);
  return check_list(file, run, space, space, magep_equivariant_terms(layers(file)));
}

std::string magep_invariant(const File& file, Run& run) {
  return check_list(file, run, magep_space(file), scalar(), magep_invariant_terms(layers(file)));
}

std::string monomial_linear(const File& file, Run& run) {
  const Widths widths = file.config.at("widths");
  const Taps dense(widths.size() - 1, {1, 1});
  const weft::Kind kind = file.config.at("sign").get<bool>() ? Kind::sign_monomial : Kind::positive_monomial;
  const Space in = cnn_space(widths, file.config.value("taps_in", dense), kind),
              out = cnn_space(widths, file.config.value("taps_out", dense), kind);
  return check_list(file, run, in, out, derive_linear(in, out));
}

Space block_space(const File& file) {
  const auto& c = file.config;
  return transformer_space({c.at("D"), c.at("D_A"), c.at("h"), c.at("Dk"), c.at("Dv")}, false);
}

std::string transformer_equivariant(const File& file, Run& run) {
  const Space space = block_space(file);
  return check_list(file, run, space, space, transformer_equivariant_terms());
}

std::string transformer_invariant(const File& file, Run& run) {
  return check_list(file, run, block_space(file), scalar(), transformer_invariant_terms());
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
