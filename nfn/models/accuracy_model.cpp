#include "weft/nfn/models/accuracy_model.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "weft/core/error.h"
#include "weft/nfn/baselines/models.h"
#include "weft/nfn/models/magep_model.h"
#include "weft/nfn/models/transformer_model.h"

namespace weft {

ModelConfig default_config(const std::string& kind) {
  if (kind == "transformer-nfn") return {.kind = kind, .channels = 10, .equivariant_layers = 1, .hidden = 10};
  return {.kind = kind, .hidden = kind.ends_with("statnn") ? 1000 : 500};
}

std::vector<FixedAxis> fixed_axes_of(const Space& space) {
  return fixed_axes_of(space, [](const SpaceTensor&, const std::string& factor) { return factor; });
}

std::vector<FixedAxis> fixed_axes_of(const Space& space,
                                     const std::function<std::string(const SpaceTensor&, const std::string&)>& name) {
  std::vector<std::string> names;
  std::vector<FixedAxis> axes;
  for (std::size_t t = 0; t < space.tensors().size(); ++t) {
    const SpaceTensor& tensor = space.tensors()[t];
    for (std::size_t a = 0; a < tensor.axes.size(); ++a) {
      const Factor& factor = space.factors()[static_cast<std::size_t>(tensor.axes[a].factor)];
      if (space.type(static_cast<int>(t))[static_cast<int>(a)].moves() || factor.size < 2) continue;
      const std::string key = name(tensor, factor.name);
      const auto at = std::find(names.begin(), names.end(), key) - names.begin();
      if (static_cast<std::size_t>(at) == names.size()) {
        names.push_back(key);
        axes.push_back({factor.size, {}});
      }
      axes[static_cast<std::size_t>(at)].places.emplace_back(static_cast<int>(t), static_cast<int>(a));
    }
  }
  return axes;
}

std::unique_ptr<AccuracyModel> declare_accuracy_model(const ModelConfig& config, const Space& space) {
  auto require_one_of = [](const char* what, const std::string& given, std::span<const char* const> kinds) {
    if (std::ranges::find(kinds, given) == kinds.end())
      throw UsageError("[model] {} '{}'; allowed: {}", what, given, fmt::join(kinds, ", "));
  };
  require_one_of("kind", config.kind, model_kinds);
  require_one_of("classifier", config.classifier, classifier_kinds);
  if (config.channels < 1 || config.equivariant_layers < 0 || config.hidden < 1)
    throw UsageError("[model] channels {}, equivariant layers {}, hidden {}; allowed: positive ones", config.channels,
                     config.equivariant_layers, config.hidden);
  // Products of two widths and a tensor's axes stay far below 2^63.
  constexpr std::int64_t widest = 1 << 20, most_layers = 1000;
  if (config.channels > widest || config.equivariant_layers > most_layers || config.hidden > widest)
    throw UsageError("[model] channels {}, equivariant layers {}, hidden {}; allowed: at most {}, {} and {}",
                     config.channels, config.equivariant_layers, config.hidden, widest, most_layers, widest);
  // Layers keep positions for every number of a network, several times.
  constexpr std::int64_t largest = 1 << 21;
  if (space.parameters() > largest)
    throw ShapeError("[model] for networks of {} numbers; allowed: up to {}", space.parameters(), largest);
  if (config.kind == "magep") return std::make_unique<MagepModel>(config, space);
  if (config.kind == "transformer-nfn") return std::make_unique<TransformerModel>(config, space);
  return std::make_unique<BaselineModel>(config, space);
}

std::unique_ptr<AccuracyModel> make_accuracy_model(const ModelConfig& config, const Space& space, DType dtype, Key key,
                                                   Backend* backend) {
  std::unique_ptr<AccuracyModel> model = declare_accuracy_model(config, space);
  model->init(key.at(config.kind), dtype, backend);
  return model;
}

}  // namespace weft
