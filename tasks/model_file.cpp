#include "weft/tasks/model_file.h"

#include "weft/io/json.h"

namespace weft {
namespace {

/// A setting as the config of a model's file has it.
SettingValue value_of(const std::filesystem::path& path, const Json& config, const Setting& setting) {
  const Json* found = config.find(setting.name);
  if (!found)
    throw FormatError("[model] '{}': the config lacks '{}'; was it written by weft train?", path.string(),
                      setting.name);
  const auto refuse = [&](const char* allowed) {
    return FormatError("[model] '{}': '{}' of the config is {}; allowed: {}", path.string(), setting.name,
                       found->dump(), allowed);
  };
  if (std::holds_alternative<std::string>(setting.usual)) {
    if (const std::string* text = found->text()) return *text;
    throw refuse("a text");
  }
  if (std::holds_alternative<bool>(setting.usual)) {
    if (const bool* flag = found->boolean()) return *flag;
    throw refuse("true or false");
  }
  if (std::holds_alternative<std::int64_t>(setting.usual)) {
    if (const auto whole = found->whole()) return *whole;
    throw refuse("a whole number");
  }
  if (const auto number = found->number()) return *number;
  throw refuse("a number");
}

Json json_of(const SettingValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

}  // namespace

void save_model(const std::filesystem::path& path, const Reader& model, Metadata metadata) {
  Json::Object config{{"space", model.space().str()}};
  if (model.outputs() != 1) config.emplace_back("outputs", model.outputs());
  for (const Setting& setting : model.settings().list())
    config.emplace_back(setting.name, json_of(model.settings().value(setting.name)));
  model.save(path, Json(std::move(config)).dump(), std::move(metadata));
}

LoadedModel load_model(const std::filesystem::path& path, DType dtype, Backend* backend) {
  return load_model(path, Checkpoint::open(path), dtype, backend);
}

LoadedModel load_model(const std::filesystem::path& path, const Checkpoint& file, DType dtype, Backend* backend) {
  const Json config = Json::parse(file.config());
  const Json* space = config.find("space");
  if (!space || !space->text())
    throw FormatError("[model] '{}': the config lacks the text 'space'; was it written by weft train?", path.string());
  const Json* several = config.find("outputs");  // absent: one
  const std::optional<std::int64_t> outputs = several ? several->whole() : 1;
  if (!outputs)
    throw FormatError("[model] '{}': 'outputs' of the config is {}; allowed: a whole number", path.string(),
                      several->dump());
  std::unique_ptr<Reader> model;
  try {
    Settings settings = model_settings(file.kind());
    for (const Setting& setting : settings.list()) settings.set(setting.name, value_of(path, config, setting));
    model = declare_reader(file.kind(), settings, Space::parse(*space->text()), *outputs);
  } catch (const FormatError&) {
    throw;
  } catch (const Error& error) {
    throw FormatError("[model] '{}': {}; was it written by this version of weft?", path.string(), error.what());
  }
  model->load(file, dtype, backend);
  return {std::move(model), file.metadata()};
}

}  // namespace weft
