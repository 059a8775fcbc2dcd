#include "weft/networks/files/fold.h"

#include "weft/core/error.h"
#include "weft/networks/files/folded_text.h"
#include "weft/networks/files/folds/folds.h"
#include "weft/networks/files/window_copy.h"

namespace weft {
namespace {

using Kind = FoldText::Kind;
using Fold = std::string (*)(FoldedNumbers&, const FoldText&, const std::string& of);

/// What a statement does to the numbers; null where it is a matter of types alone.
Fold fold_of(Kind kind) {
  switch (kind) {
    case Kind::layer_norm:
    case Kind::rms_norm:
      return fold_norm;
    case Kind::batch_norm:
      return fold_batch_norm;
    case Kind::zero:
      return fold_zero;
    case Kind::move:
      return fold_move;
    case Kind::mean:
    case Kind::centre:
      return fold_mean;
    case Kind::centred_stream:
      return fold_centred_stream;
    case Kind::untie:
    case Kind::stream:
      break;
  }
  return nullptr;
}

/// Of the network that is folded: untied, where a fold says so.
std::vector<Tensor> own_weights(const FoundArchitecture& found, const std::vector<Tensor>& weights) {
  const auto& tensors = found.files.space.tensors();
  if (weights.size() != tensors.size())
    throw UsageError("[fold] weights of {} tensors; the network's space has {}", weights.size(), tensors.size());
  std::vector<Tensor> out;
  if (!found.untied) {
    for (const Tensor& w : weights) out.push_back(w.clone());
    return out;
  }
  for (const SpaceTensor& tensor : found.untied->files.space.tensors()) {
    std::string name = tensor.name;
    for (const auto& [copy, of] : found.untied->copies)
      if (tensor.name == space_name(copy)) name = space_name(of);
    out.push_back(weights[static_cast<std::size_t>(found.files.space.tensor(name))].clone());
  }
  return out;
}

/// The file's tensors of these weights.
std::map<std::string, Tensor> file_numbers(const FileSpace& files, const std::vector<Tensor>& weights) {
  std::map<std::string, Tensor> out;
  for (std::size_t t = 0; t < weights.size(); ++t) {
    const FileEntry& file = files.files[static_cast<std::size_t>(files.windows[t].file)];
    for (const std::string& name : file.names)
      if (!out.contains(name)) out.emplace(name, Tensor::zeros(file.shape, weights[t].dtype()));
  }
  return out;
}

}  // namespace

Folded fold(const FoundArchitecture& found, const std::vector<Tensor>& weights) {
  const FoundArchitecture& network = found.untied ? *found.untied : found;
  const FileSpace& files = network.files;
  Folded out;
  std::vector<Tensor> own = own_weights(found, weights);
  if (found.untied)
    for (const auto& [copy, of] : network.copies)
      out.done.push_back(fmt::format("{} no copy of {} any more", copy, of));
  FoldedNumbers numbers(files, own);
  for (const bool streams : {false, true})
    for (const FoldText& fold : files.text.folds) {
      const bool stream = fold.kind == Kind::stream || fold.kind == Kind::centred_stream;
      const Fold numbers_of = fold_of(fold.kind);
      if (!numbers_of || stream != streams) continue;
      for (const std::string& of : fold.of)
        if (std::string done = numbers_of(numbers, fold, of); !done.empty()) out.done.push_back(std::move(done));
    }
  for (const auto& [name, value] : network.told) {
    const auto before = found.told.find(name);
    if (found.untied && (before == found.told.end() || before->second != value)) out.config.emplace(name, value);
  }
  out.files = FileSpace::of(folded_text(files.text));
  for (std::size_t i = 0; i < files.files.size(); ++i) {
    out.files.files[i].names = files.files[i].names;
    out.files.files[i].ties = files.files[i].ties;
  }
  const std::map<std::string, Tensor> tensors = file_numbers(files, own);
  const FileNumbers by_name = [&](const std::string& name) {
    const auto at = tensors.find(name);
    return at == tensors.end() ? Tensor() : at->second;
  };
  write_windows(files, own, by_name);
  out.weights = read_windows(out.files, by_name);
  return out;
}

}  // namespace weft
