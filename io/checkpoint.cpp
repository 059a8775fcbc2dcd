#include "weft/io/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "weft/core/error.h"
#include "weft/io/file_kind.h"
#include "weft/io/json.h"
#include "weft/io/text.h"

namespace weft {
namespace {

constexpr const char* schema_key = "weft.schema";
constexpr const char* config_key = "weft.config";

template <class... Args>
[[noreturn]] void fail(const std::string& path, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError("[model] {}: {}", in_quotes(path), fmt::format(message, std::forward<Args>(args)...));
}

bool is_json_object(const std::string& text) {
  try {
    return Json::parse(text).object() != nullptr;
  } catch (const FormatError&) {
    return false;
  }
}

template <class T>
bool all_finite(const Tensor& t) {
  const auto values = t.span<T>();
  return std::all_of(values.begin(), values.end(), [](T x) { return std::isfinite(x); });
}

void check_finite(const std::filesystem::path& path, const std::string& name, const Tensor& t) {
  if ((t.dtype() == DType::f32 && !all_finite<float>(t)) || (t.dtype() == DType::f64 && !all_finite<double>(t)))
    throw NumericError("[model] {}: '{}' is not finite", in_quotes(path.native()), name);
}

}  // namespace

void Checkpoint::save(const std::filesystem::path& path, const std::string& kind, const std::string& config,
                      std::span<const NamedTensor> tensors, Metadata metadata) {
  if (kind.empty()) throw UsageError("[model] no kind; allowed: the name of the model's family, as in 'magep'");
  if (!is_json_object(config))
    throw UsageError("[model] the config of '{}' is {}; allowed: a JSON object", kind, in_quotes(config));
  for (const auto& [name, tensor] : tensors) check_finite(path, name, tensor);
  metadata[model_key] = kind;
  metadata[schema_key] = std::to_string(schema);
  metadata[config_key] = config;
  save_safetensors(path, tensors, metadata);
}

Checkpoint Checkpoint::open(const std::filesystem::path& path) { return of(path, SafeTensors::open(path)); }

Checkpoint Checkpoint::of(const std::filesystem::path& path, SafeTensors file) {
  Checkpoint model(path.native(), std::move(file));
  const auto value = [&](const char* key) -> const std::string& {
    const auto found = model.metadata().find(key);
    if (found == model.metadata().end())
      fail(model.path_, "no '{}' in its metadata: not a model but {}. Name a file that a training wrote", key,
           file_kind(model.file_));
    return found->second;
  };
  model.kind_ = value(model_key);
  if (const std::string& found = value(schema_key); found != std::to_string(schema))
    fail(model.path_, "schema {}; this weft reads '{}': use the version that wrote it", in_quotes(found), schema);
  model.config_ = value(config_key);
  if (!is_json_object(model.config_))
    fail(model.path_, "'{}' is {}; allowed: a JSON object", config_key, in_quotes(model.config_));
  return model;
}

DType Checkpoint::float_dtype(std::string_view name) const {
  return file_.contains(name) && file_.dtype(name) == DType::f64 ? DType::f64 : DType::f32;
}

void Checkpoint::check(std::span<const SafeTensorsEntry> tensors) const {
  std::set<std::string_view> asked;
  for (const SafeTensorsEntry& t : tensors) {
    asked.insert(t.name);
    if (!file_.contains(t.name))
      fail(path_, "no tensor '{}', which the {} model has; the file has {}", t.name, kind_, file_.listing());
    if (file_.shape(t.name) != t.shape || number_type(file_.dtype(t.name)) != t.type)
      fail(path_, "tensor '{}' is {} {}; the {} model has {} {}", t.name, weft::name(file_.dtype(t.name)),
           file_.shape(t.name).str(), kind_, weft::name(*dtype_of_number(t.type)), t.shape.str());
    check_finite(path_, t.name, file_.tensor(t.name));
  }
  for (const std::string& name : file_.names())
    if (!asked.contains(name)) fail(path_, "tensor {}, which the {} model does not have", in_quotes(name), kind_);
}

void Checkpoint::load(std::span<const NamedTensor> into) const {
  std::vector<SafeTensorsEntry> entries;
  for (const auto& [name, to] : into) entries.push_back({name, number_type(to.dtype()), to.shape()});
  check(entries);
  for (const auto& [name, to] : into) to.copy_from(file_.tensor(name));
}

}  // namespace weft
