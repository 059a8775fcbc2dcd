#include "weft/zoo/network_file.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "weft/core/error.h"
#include "weft/core/stop.h"
#include "weft/io/file_kind.h"
#include "weft/io/text.h"
#include "weft/networks/files/window_copy.h"

namespace weft {
namespace {

template <class... Args>
[[noreturn]] void fail(const TensorFile& file, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError("[network] {}: {}", in_quotes(file.file()), fmt::format(message, std::forward<Args>(args)...));
}

bool finite(const Tensor& t) {
  return with_float(t.dtype(), "network", [&]<class T>(T) {
    bool all = true;
    for (const T x : t.span<T>()) all &= std::abs(x) <= std::numeric_limits<T>::max();
    return all;
  });
}

Space space_of(const TensorFile& file, const std::string& text) {
  try {
    return Space::parse(text);
  } catch (const ParseError& error) {
    fail(file, "'{}': {}", space_key, error.what());
  }
}

/// Tensors of a space as they are, in a file that has nothing else.
FoundArchitecture as_they_are(const TensorFile& file, const Space& space) {
  FoundArchitecture out{{}, FileSpace::of(space), {}};
  for (const FileEntry& entry : out.files.files) {
    const std::string& name = entry.names[0];
    if (!file.contains(name)) fail(file, "no tensor '{}', which its space has; the file has {}", name, file.listing());
    const FileTensor& there = file.tensor(name);
    Shape with_taps{1};
    for (int k = 0; k < entry.shape.rank(); ++k) with_taps.push_back(entry.shape[k]);
    const bool taps = space.tensors()[static_cast<std::size_t>(space.tensor(name))].taps() != 1;
    if (there.shape != entry.shape && (taps || there.shape != with_taps))
      fail(file, "tensor '{}' has shape {}; allowed: {}", name, there.shape.str(),
           taps ? entry.shape.str() : fmt::format("{} or {}", entry.shape.str(), with_taps.str()));
  }
  if (const auto more = uncovered(file, out.files); !more.empty())
    fail(file, "tensor {} is not in its space", in_quotes(more[0]));
  return out;
}

bool has_all(const TensorFile& file, const Space& space) {
  return std::ranges::all_of(space.tensors(), [&](const SpaceTensor& t) { return file.contains(t.name); });
}

/// As file_architecture(), naming the file.
FoundArchitecture by_text(const TensorFile& file, const NetworkReading& reading,
                          const std::optional<ArchitectureText>& text) {
  try {
    return file_architecture(file, reading.config.value_or(Json::Object{}), text);
  } catch (const FormatError& error) {
    fail(file, "{}{}", without_sender(error.what()),
         text ? ""
              : ". Another can be named (--architecture); a file of weft's own says its space in its metadata "
                "('weft.space'), or is given it (--space)");
  }
}

FoundArchitecture understood(const TensorFile& file, const NetworkReading& reading) {
  const Metadata& metadata = file.metadata();
  if (metadata.contains(model_key) || file.contains(shard_tensor)) fail(file, "not a network but {}", file_kind(file));
  const auto named = metadata.find(architecture_key);
  if (auto text = reading.architecture) {
    // A text of one's own has no other name for its networks once they are folded.
    text->folded |= named != metadata.end() && named->second == text->name + std::string(folded_suffix);
    return by_text(file, reading, text);
  }
  if (const auto text = metadata.find(space_key); text != metadata.end())
    return as_they_are(file, space_of(file, text->second));
  if (named != metadata.end()) return by_text(file, reading, architecture_text(named->second));
  if (!reading.space) return by_text(file, reading, {});
  if (!has_all(file, *reading.space)) try {
      FoundArchitecture found = by_text(file, reading, {});
      if (found.files.space == *reading.space) return found;
    } catch (const FormatError&) {
      // What its own space lacks in it says more.
    }
  return as_they_are(file, *reading.space);
}

/// Calls use(name, entry) for every tensor of the file that the space shows.
template <class Use>
void each_name(const NetworkSource& source, const Use& use) {
  for (const FileEntry& entry : source.architecture.files.files)
    for (const auto* names : {&entry.names, &entry.ties})
      for (const std::string& name : *names)
        if (source.file.contains(name)) use(name, entry);
}

/// What use() says of the numbers of one entry of the file, whose copies are equal and constants what they must be.
template <class Use>
auto checked(const NetworkSource& source, const FileEntry& entry, const Use& use) {
  stop_point();
  const TensorFile& file = source.file;
  const FileNumbers numbers = [&](const std::string& name) {
    if (!file.contains(name)) return Tensor();
    const std::optional<Tensor> there = file.view(name);
    return (there && there->dtype() == source.dtype ? *there : file.read(name, source.dtype)).reshape(entry.shape);
  };
  try {
    check_entry(entry, numbers);
    return use(numbers);
  } catch (const FormatError& error) {
    fail(file, "{}", without_sender(error.what()));
  }
}

/// A new network's file, of weft's own.
void save_own(const std::filesystem::path& path, const NetworkFile& network) {
  std::vector<NamedTensor> named;
  for (std::size_t t = 0; t < network.weights.size(); ++t) {
    const SpaceTensor& tensor = network.space.tensors()[t];
    const Shape& shape = network.weights[t].shape();
    named.push_back({tensor.name, network.weights[t].reshape(shape.sub(tensor.taps() == 1 ? 2 : 1, shape.rank()))});
  }
  Metadata all = network.metadata;
  all[space_key] = network.space.str();
  save_safetensors(path, named, all);
}

void save_like(const std::filesystem::path& path, const NetworkFile& network) {
  const TensorFile& file = network.source->file;
  const FileSpace& files = network.source->architecture.files;
  std::map<std::string, Tensor> changed, added;
  for (const FileEntry& entry : files.files) {
    const auto place = [&](const std::string& name) {
      (file.contains(name) ? changed : added).emplace(name, Tensor::zeros(entry.shape, network.weights[0].dtype()));
    };
    for (const std::string& name : entry.names) place(name);
    for (const std::string& name : entry.ties)
      if (file.contains(name)) place(name);
  }
  write_windows(files, network.weights, [&](const std::string& name) {
    for (const auto* all : {&changed, &added})
      if (const auto at = all->find(name); at != all->end()) return at->second;
    return Tensor();
  });
  for (auto& [name, tensor] : changed) tensor = tensor.reshape(file.tensor(name).shape);
  Metadata all = network.metadata;
  for (const auto& [key, value] : file.metadata())
    if (key.starts_with("weft.")) all.emplace(key, value);
  const std::string& text = network.source->architecture.name;
  if (text.empty()) all[space_key] = network.space.str();
  if (text.ends_with(folded_suffix)) all[architecture_key] = text;
  save_tensor_file_like(path, file, changed, all, added);
}

}  // namespace

void NetworkFile::save(const std::filesystem::path& path) const {
  const auto& tensors = space.tensors();
  if (weights.size() != tensors.size())
    throw ShapeError("[network] {} tensors; the space has {}", weights.size(), tensors.size());
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const Shape shape = space.feature_shape(static_cast<int>(t), 1, 1);
    if (weights[t].shape() != shape)
      throw ShapeError("[network] '{}' has shape {}; allowed: {}", tensors[t].name, weights[t].shape().str(),
                       shape.str());
    if (!finite(weights[t]))
      throw NumericError("[network] {}: '{}' is not finite", in_quotes(path.native()), tensors[t].name);
  }
  source ? save_like(path, *this) : save_own(path, *this);
}

NetworkSource NetworkSource::open(const std::filesystem::path& path, const NetworkReading& reading) {
  NetworkReading with_config = reading;
  TensorFile file = TensorFile::open(path);
  if (!reading.config) with_config.config = config_beside(path);
  return of(std::move(file), with_config);
}

NetworkSource NetworkSource::of(TensorFile file, const NetworkReading& reading) {
  NetworkSource out{std::move(file), {}};
  out.architecture = understood(out.file, reading);
  if (reading.space && out.space() != *reading.space)
    fail(out.file, "its space is {}; allowed: {}", in_quotes(out.space().str()), in_quotes(reading.space->str()));
  each_name(out, [&](const std::string& name, const FileEntry&) {
    const NumberType type = out.file.tensor(name).type;
    if (!is_float(type))
      fail(out.file, "tensor {} is {}; allowed: F64, F32, F16, BF16 and F8", in_quotes(name), weft::name(type));
    if (type == NumberType::f64) out.dtype = DType::f64;
    if (rounding(type) > rounding(out.coarsest)) out.coarsest = type;
  });
  for (const FileEntry& entry : out.architecture.files.files)
    if (entry.constant) checked(out, entry, [](const FileNumbers&) {});
  return out;
}

void NetworkSource::require_known() const {
  const std::vector<std::string_view> names(architecture.beside.begin(), architecture.beside.end());
  if (!names.empty())
    fail(file,
         "beside the tensors of {} it has {}, which no text knows and which may read what would be moved; allowed: a "
         "text of the whole network (--architecture), or a file without them",
         in_quotes(architecture.name), listed(names));
  if (!architecture.doubt.empty())
    fail(file,
         "its config says model_type {}, of which weft has no text; its tensors are those of {}, whose group may be "
         "another one: --architecture {} says that it is right",
         in_quotes(architecture.doubt), in_quotes(architecture.name), architecture.name);
}

Tensor NetworkSource::weight(int tensor) const {
  const FileSpace& files = architecture.files;
  const FileEntry& entry = files.files[static_cast<std::size_t>(files.windows[static_cast<std::size_t>(tensor)].file)];
  const Tensor out =
      checked(*this, entry, [&](const FileNumbers& numbers) { return read_window(files, tensor, numbers); });
  if (!finite(out))
    fail(file, "tensor '{}' has numbers that are not finite; a network that has diverged cannot be used",
         space().tensors()[static_cast<std::size_t>(tensor)].name);
  return out;
}

NetworkFile NetworkFile::of(NetworkSource source) {
  NetworkFile network{source.space(), {}};
  for (int t = 0; t < std::ssize(network.space.tensors()); ++t) network.weights.push_back(source.weight(t));
  for (const auto& [key, value] : source.file.metadata())
    if (!key.starts_with("weft.")) network.metadata.emplace(key, value);
  network.source = std::make_shared<const NetworkSource>(std::move(source));
  return network;
}

std::string in_words(const NetworkFile& network) {
  const std::string name = network.source ? network.source->architecture.name : "";
  if (name.empty()) return network.space.str();
  return fmt::format("{}, {} tensors, a group of dimension {}", name, network.space.tensors().size(),
                     network.space.dimension());
}

}  // namespace weft
