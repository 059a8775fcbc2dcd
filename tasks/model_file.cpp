#include "weft/tasks/model_file.h"

#include "weft/io/json.h"

namespace weft {
namespace {

/// The fields of a config, checked one by one.
class Config {
 public:
  Config(const std::filesystem::path& path, const std::string& text) : path_(path), json_(Json::parse(text)) {}

  std::string text(const char* key) const {
    if (const std::string* text = at(key).text()) return *text;
    refuse(key, "a text");
  }
  std::int64_t whole(const char* key) const {
    if (const auto number = at(key).whole()) return *number;
    refuse(key, "a whole number");
  }
  bool boolean(const char* key) const {
    if (const bool* value = at(key).boolean()) return *value;
    refuse(key, "true or false");
  }

 private:
  const Json& at(const char* key) const {
    if (const Json* found = json_.find(key)) return *found;
    throw FormatError("[model] '{}': the config lacks '{}'; was it written by weft train?", path_.string(), key);
  }
  [[noreturn]] void refuse(const char* key, const char* allowed) const {
    throw FormatError("[model] '{}': '{}' of the config is {}; allowed: {}", path_.string(), key, at(key).dump(),
                      allowed);
  }

  const std::filesystem::path& path_;
  Json json_;
};

}  // namespace

void save_model(const std::filesystem::path& path, const AccuracyModel& model, Metadata metadata) {
  const ModelConfig& c = model.config();
  const Json config = Json::Object{
      {"space", model.space().str()}, {"channels", c.channels},   {"equivariant_layers", c.equivariant_layers},
      {"hidden", c.hidden},           {"train_psi", c.train_psi}, {"classifier", c.classifier}};
  model.save(path, config.dump(), std::move(metadata));
}

LoadedModel load_model(const std::filesystem::path& path, DType dtype, Backend* backend) {
  return load_model(path, Checkpoint::open(path), dtype, backend);
}

LoadedModel load_model(const std::filesystem::path& path, const Checkpoint& file, DType dtype, Backend* backend) {
  const Config json(path, file.config());
  const ModelConfig config{.kind = file.kind(),
                           .channels = json.whole("channels"),
                           .equivariant_layers = json.whole("equivariant_layers"),
                           .hidden = json.whole("hidden"),
                           .train_psi = json.boolean("train_psi"),
                           .classifier = json.text("classifier")};
  const std::string space = json.text("space");
  std::unique_ptr<AccuracyModel> model;
  try {
    model = declare_accuracy_model(config, Space::parse(space));
  } catch (const Error& error) {
    throw FormatError("[model] '{}': {}; was it written by this version of weft?", path.string(), error.what());
  }
  model->load(file, dtype, backend);
  return {std::move(model), file.metadata()};
}

}  // namespace weft
