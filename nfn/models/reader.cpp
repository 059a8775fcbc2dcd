#include "weft/nfn/models/reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "weft/core/registry.h"
#include "weft/nfn/models/list.h"

namespace weft {

#define WEFT_MODEL(name) extern const ModelKind name##_model;
WEFT_MODELS(WEFT_MODEL)
#undef WEFT_MODEL

std::vector<const ModelKind*> model_kinds() {
#define WEFT_MODEL(name) &name##_model,
  return {WEFT_MODELS(WEFT_MODEL)};
#undef WEFT_MODEL
}

const ModelKind& model_kind(std::string_view name) { return named("model", name, model_kinds()); }

Settings model_settings(std::string_view kind, Settings::Given given) {
  return {fmt::format("model '{}'", kind), model_kind(kind).settings, given};
}

Setting channels_setting(std::int64_t usual) {
  return {.name = "channels",
          .text = "channels of a functional network's layers",
          .usual = usual,
          .low = 1,
          .high = 4096,
          .why = "layers have channels x channels numbers"};
}
Setting equivariant_layers_setting(std::int64_t usual) {
  return {.name = "equivariant_layers",
          .text = "number of its equivariant layers",
          .usual = usual,
          .low = 0,
          .high = 100,
          .why = "each keeps features of the whole batch"};
}
Setting hidden_setting(std::int64_t usual) {
  return {.name = "hidden",
          .text = "width of the two hidden layers",
          .usual = usual,
          .low = 1,
          .high = 32768,
          .why = "hidden x hidden numbers take 4 GiB then"};
}

bool Reader::solve(std::span<const Tensor>, std::span<const double>) { return false; }

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

std::unique_ptr<Reader> declare_reader(std::string_view name, const Settings& settings, const Space& space,
                                       std::int64_t outputs) {
  const ModelKind& kind = model_kind(name);
  // Layers keep positions for every number of a network, several times.
  constexpr std::int64_t largest = 1 << 21, most_outputs = 1 << 16;
  if (space.parameters() > largest)
    throw ShapeError("[model] for networks of {} numbers; allowed: up to {}", space.parameters(), largest);
  if (outputs < 1 || outputs > most_outputs)
    throw UsageError("[model] {} outputs; allowed: 1 to {}", outputs, most_outputs);
  return kind.make(kind, settings, space, outputs);
}

std::unique_ptr<Reader> make_reader(std::string_view kind, const Settings& settings, const Space& space, DType dtype,
                                    RandomKey key, Backend* backend, std::int64_t outputs) {
  std::unique_ptr<Reader> model = declare_reader(kind, settings, space, outputs);
  model->init(key.at(kind), dtype, backend);
  return model;
}

std::unique_ptr<Reader> make_reader(std::string_view kind, Settings::Given given, const Space& space, DType dtype,
                                    RandomKey key, Backend* backend, std::int64_t outputs) {
  return make_reader(kind, model_settings(kind, given), space, dtype, key, backend, outputs);
}

}  // namespace weft
