#include "weft/zoo/model_file.h"

#include <limits>

#include <nlohmann/json.hpp>

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

std::vector<NamedTensor> tensors_of(const Parameters& parameters) {
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < parameters.count(); ++i)
    tensors.push_back({parameters.name(i), parameters.value(i).placed_on(nullptr)});
  return tensors;
}

/// Of a config. JSON has one kind of number: 20.5 and 1e30 are none here.
std::int64_t whole_number(const std::filesystem::path& path, const Json& json, const char* key) {
  const Json& value = json.at(key);
  if (!value.is_number_integer() || (value.is_number_unsigned() && value > std::numeric_limits<std::int64_t>::max()))
    throw FormatError("[model] '{}': '{}' of the config is {}; allowed: a whole number", path.string(), key,
                      value.dump());
  return value.get<std::int64_t>();
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
  return load_model(path, Checkpoint::open(path), dtype, backend);
}

LoadedModel load_model(const std::filesystem::path& path, const Checkpoint& file, DType dtype, Backend* backend) {
  ModelConfig config;
  std::string space;
  try {
    const Json json = Json::parse(file.config());
    config.kind = file.kind();
    json.at("space").get_to(space);
    config.channels = whole_number(path, json, "channels");
    config.equivariant_layers = whole_number(path, json, "equivariant_layers");
    config.hidden = whole_number(path, json, "hidden");
    json.at("train_psi").get_to(config.train_psi);
    json.at("classifier").get_to(config.classifier);
  } catch (const Json::exception& error) {
    throw FormatError("[model] '{}': the config lacks something: {}; was it written by weft train?", path.string(),
                      error.what());
  }
  std::unique_ptr<AccuracyModel> model;
  try {
    model = declare_accuracy_model(config, Space::parse(space));
  } catch (const Error& error) {
    throw FormatError("[model] '{}': {}; was it written by this version of weft?", path.string(), error.what());
  }
  std::vector<SafeTensorsEntry> entries;
  Parameters& parameters = model->parameters();
  for (int i = 0; i < parameters.count(); ++i)
    entries.push_back({parameters.name(i), DType::f32, parameters.shape(i), 0, 0});
  file.check(entries);
  parameters.allocate(dtype, Key(0, "load"), backend);
  for (int i = 0; i < parameters.count(); ++i) parameters.value(i).copy_from(file.tensor(parameters.name(i)).to(dtype));
  return {std::move(model), file.metadata()};
}

}  // namespace weft
