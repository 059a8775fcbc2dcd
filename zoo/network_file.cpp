#include "weft/zoo/network_file.h"

#include <cmath>

#include "weft/core/error.h"
#include "weft/io/file_kind.h"
#include "weft/io/text.h"

namespace weft {
namespace {

template <class... Args>
[[noreturn]] void fail(const std::filesystem::path& file, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError("[network] {}: {}", in_quotes(file.native()), fmt::format(message, std::forward<Args>(args)...));
}

void check_finite(const std::filesystem::path& path, const std::string& name, const Tensor& t) {
  for (float x : t.span<float>())
    if (!std::isfinite(x)) throw NumericError("[network] {}: '{}' is not finite", in_quotes(path.native()), name);
}

Space space_of(const std::filesystem::path& path, const SafeTensors& file, const std::optional<Space>& expected) {
  if (file.metadata().contains(model_key) || file.contains(shard_tensor))
    fail(path, "not a network but {}", file_kind(file));
  const auto found = file.metadata().find(space_key);
  if (found == file.metadata().end()) {
    if (expected) return *expected;
    fail(path,
         "no '{}' in its metadata; write the text of the network's space there, or give it (--space). Its tensors are "
         "{}",
         space_key, file.listing());
  }
  try {
    const Space space = Space::parse(found->second);
    if (expected && space != *expected)
      fail(path, "its space is {}; allowed: {}", in_quotes(space.str()), in_quotes(expected->str()));
    return space;
  } catch (const ParseError& error) {
    fail(path, "'{}': {}", space_key, error.what());
  }
}

}  // namespace

void NetworkFile::save(const std::filesystem::path& path) const {
  const auto& tensors = space.tensors();
  if (weights.size() != tensors.size())
    throw ShapeError("[network] {} tensors; the space has {}", weights.size(), tensors.size());
  std::vector<NamedTensor> named;
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const Shape shape = space.feature_shape(static_cast<int>(t), 1, 1);
    if (weights[t].shape() != shape)
      throw ShapeError("[network] '{}' has shape {}; allowed: {}", tensors[t].name, weights[t].shape().str(),
                       shape.str());
    if (weights[t].dtype() != DType::f32)
      throw DtypeError("[network] '{}' is {}; allowed: float32", tensors[t].name, name(weights[t].dtype()));
    check_finite(path, tensors[t].name, weights[t]);
    named.push_back({tensors[t].name, weights[t].reshape(shape.sub(tensors[t].taps() == 1 ? 2 : 1, shape.rank()))});
  }
  Metadata all = metadata;
  all[space_key] = space.str();
  save_safetensors(path, named, all);
}

NetworkFile NetworkFile::load(const std::filesystem::path& path, const std::optional<Space>& expected) {
  return of(path, SafeTensors::open(path), expected);
}

NetworkFile NetworkFile::of(const std::filesystem::path& path, const SafeTensors& file,
                            const std::optional<Space>& expected) {
  NetworkFile network{space_of(path, file, expected), {}, {}};
  for (int t = 0; t < static_cast<int>(network.space.tensors().size()); ++t) {
    const std::string& name = network.space.tensors()[static_cast<std::size_t>(t)].name;
    const Shape feature = network.space.feature_shape(t, 1, 1);
    const Shape with_taps = feature.sub(1, feature.rank()), without = feature.sub(2, feature.rank());
    if (!file.contains(name)) fail(path, "no tensor '{}', which its space has; the file has {}", name, file.listing());
    const Shape& found = file.shape(name);
    if (file.dtype(name) != DType::f32)
      fail(path, "tensor '{}' is {}; allowed: float32", name, weft::name(file.dtype(name)));
    if (found != with_taps && (found != without || feature[1] != 1))
      fail(path, "tensor '{}' has shape {}; allowed: {}", name, found.str(),
           feature[1] == 1 ? fmt::format("{} or {}", without.str(), with_taps.str()) : with_taps.str());
    network.weights.push_back(file.tensor(name).reshape(feature).clone());
    check_finite(path, name, network.weights.back());
  }
  for (const std::string& name : file.names())
    if (network.space.find_tensor(name) < 0) fail(path, "tensor {} is not in its space", in_quotes(name));
  for (const auto& [key, value] : file.metadata())
    if (!key.starts_with("weft.")) network.metadata.emplace(key, value);
  return network;
}

}  // namespace weft
