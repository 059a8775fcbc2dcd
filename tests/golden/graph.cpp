// The graph network (spec 9.5).

#include "weft/nfn/graph/graph_network.h"
#include "weft/tests/golden/golden.h"

namespace weft::golden {
namespace {

std::string graph_network(const File& file, Run& run) {
  const auto& c = file.config;
  const auto widths = c.at("widths").get<std::vector<std::int64_t>>();
  const std::vector<std::array<std::int64_t, 2>> dense(widths.size() - 1, {1, 1});
  const GraphNetwork model(cnn_space(widths, c.value("taps", dense), FactorKind::positive_monomial),
                           {.d = c.at("d"),
                            .rounds = c.at("rounds"),
                            .hidden = c.at("hidden"),
                            .outputs = c.at("outputs"),
                            .channels = c.at("channels"),
                            .scales = c.at("scales")});
  run.fill(model);
  const Space& space = model.space();
  const std::int64_t batch = file.data.shape("in.W1")[0];
  std::vector<Var> weights;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t)
    weights.push_back(run.leaf("in." + space.tensors()[static_cast<std::size_t>(t)].name,
                               space.feature_shape(t, batch, c.at("channels")), space.type(t)));
  return run.compare({{"y", model({space, weights})}});
}

}  // namespace

std::map<std::string, Check> graph_kinds() { return {{"graph.network", graph_network}}; }

}  // namespace weft::golden
