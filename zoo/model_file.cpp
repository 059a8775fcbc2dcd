#include "weft/zoo/model_file.h"

#include <nlohmann/json.hpp>

#include "weft/io/checkpoint.h"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

std::vector<NamedTensor> tensors_of(const Parameters& parameters) {
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < parameters.count(); ++i)
    tensors.push_back({parameters.name(i), parameters.value(i).placed_on(nullptr)});
  return tensors;
}

}  // namespace

void save_model(const std::filesystem::path& path, const AccuracyModel& model, Metadata metadata) {
  const ModelConfig& c = model.config();
  const Json config = {
      {"space", model.space().str()}, {"channels", c.channels},   {"equivariant_layers", c.equivariant_layers},
      {"hidden", c.hidden},           {"train_psi", c.train_psi}, {"classifier", c.classifier}};
  Checkpoint::save(path, c.kind, config.dump(), tensors_of(model.parameters()), std::move(metadata));
}

LoadedModel load_model(const std::filesystem::path& path, DType dtype, Backend* backend) {
  const Checkpoint file = Checkpoint::open(path);
  ModelConfig config;
  std::string space;
  try {
    const Json json = Json::parse(file.config());
    config.kind = file.kind();
    json.at("space").get_to(space);
    json.at("channels").get_to(config.channels);
    json.at("equivariant_layers").get_to(config.equivariant_layers);
    json.at("hidden").get_to(config.hidden);
    json.at("train_psi").get_to(config.train_psi);
    json.at("classifier").get_to(config.classifier);
  } catch (const Json::exception& error) {
    throw FormatError("[model] '{}': the config lacks something: {}; was it written by weft train?", path.string(),
                      error.what());
  }
  std::unique_ptr<AccuracyModel> model;
  try {
    model = make_accuracy_model(config, Space::parse(space), DType::f32, Key(0, "load"));
  } catch (const Error& error) {
    throw FormatError("[model] '{}': {}; was it written by this version of weft?", path.string(), error.what());
  }
  file.load(tensors_of(model->parameters()));
  if (dtype == DType::f32 && !backend) return {std::move(model), file.metadata()};
  auto asked = make_accuracy_model(config, Space::parse(space), dtype, Key(0, "load"), backend);
  for (int i = 0; i < asked->parameters().count(); ++i)
    asked->parameters().value(i).copy_from(model->parameters().value(i).to(dtype));
  return {std::move(asked), file.metadata()};
}

}  // namespace weft
