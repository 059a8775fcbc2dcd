#include "weft/zoo/element_file.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <Eigen/Dense>

#include "weft/core/error.h"
#include "weft/io/file_kind.h"
#include "weft/io/text.h"

namespace weft {
namespace {

template <class... Args>
[[noreturn]] void fail(const std::filesystem::path& file, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError("[element] {}: {}", in_quotes(file.native()), fmt::format(message, std::forward<Args>(args)...));
}

/// [copies, n] of numbers, or [copies, n, n] of matrices.
Shape shape_of(const ElementPart& part, std::size_t numbers, bool matrices) {
  const std::int64_t of_copy = static_cast<std::int64_t>(numbers) / part.copies;
  return matrices ? Shape{part.copies, part.size, part.size} : Shape{part.copies, of_copy};
}

/// Calls use(name, numbers, whether they are matrices) for what a part holds, but for the inverses.
template <class Part, class Use>
void each_value(const std::string& factor, Part& part, const Use& use) {
  if (!part.scale.empty()) use(factor + ".scale", part.scale, false);
  if (!part.matrix.empty()) use(factor + ".matrix", part.matrix, true);
  if (!part.re.empty()) use(factor + ".re", part.re, false);
  if (!part.im.empty()) use(factor + ".im", part.im, false);
}

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Of every copy.
void invert(const std::filesystem::path& path, const std::string& factor, ElementPart& part) {
  const std::int64_t n = part.size;
  for (std::int64_t copy = 0; copy < part.copies && !part.matrix.empty(); ++copy) {
    const Eigen::Map<const Matrix> matrix(part.matrix.data() + copy * n * n, n, n);
    const Eigen::PartialPivLU<Matrix> lu(matrix);
    if (!(lu.rcond() > std::numeric_limits<double>::epsilon()))
      fail(path, "matrix {} of tensor '{}.matrix' has no inverse in float64", copy, factor);
    Eigen::Map<Matrix>(part.inverse.data() + copy * n * n, n, n) = lu.inverse();
  }
}

/// The numbers under a name in float64, or nothing where the file has none of that name.
std::optional<Tensor> read(const std::filesystem::path& path, const TensorFile& file, const std::string& name,
                           const Shape& shape, std::set<std::string>& known) {
  known.insert(name);
  if (!file.contains(name)) return {};
  const Shape& there = file.tensor(name).shape;
  if (there != shape && (shape[0] != 1 || there != shape.sub(1, shape.rank())))
    fail(path, "tensor {} has shape {}; allowed: {}", in_quotes(name), there.str(), shape.str());
  return file.read(name, DType::f64);
}

/// A tensor that no element of the space has.
[[noreturn]] void refuse_unknown(const std::filesystem::path& path, const std::string& name, const Space& space,
                                 const std::set<std::string>& known) {
  const std::string stem = name.substr(0, name.rfind('.'));
  std::vector<std::string_view> names;
  for (const Factor& f : space.factors()) {
    if (f.kind->moves()) names.push_back(f.name);
    if (f.name != stem) continue;
    std::vector<std::string_view> own;
    for (const std::string& k : known)
      if (k.starts_with(stem + ".")) own.push_back(k);
    fail(path, "tensor {} is of no element of factor '{}' ({}); allowed: {}", in_quotes(name), stem, f.str(),
         listed(own));
  }
  fail(path, "tensor {} is of no factor of the network's space; its factors are {}", in_quotes(name), listed(names));
}

}  // namespace

void save_element(const std::filesystem::path& path, const Element& g) {
  std::vector<NamedTensor> tensors;
  for (int f = 0; f < std::ssize(g.parts()); ++f) {
    const Factor& factor = g.space().factors()[static_cast<std::size_t>(f)];
    const ElementPart& part = g.part(f);
    if (!factor.kind->moves()) continue;
    if (!part.order.empty())
      tensors.push_back(
          {factor.name + ".order", Tensor::from(std::span(part.order), shape_of(part, part.order.size(), false))});
    each_value(factor.name, part, [&](const std::string& name, const std::vector<double>& numbers, bool matrices) {
      tensors.push_back({name, Tensor::from(std::span(numbers), shape_of(part, numbers.size(), matrices))});
    });
  }
  save_safetensors(path, tensors, {{space_key, g.space().str()}});
}

Element load_element(const std::filesystem::path& path, const Space& space) {
  const TensorFile file = TensorFile::open(path);
  const Element identity = Element::identity(space);
  std::vector<ElementPart> parts(identity.parts().begin(), identity.parts().end());
  std::set<std::string> known;
  for (std::size_t f = 0; f < parts.size(); ++f) {
    const Factor& factor = space.factors()[f];
    ElementPart& part = parts[f];
    if (!factor.kind->moves()) continue;
    if (!part.order.empty())
      if (const auto order = read(path, file, factor.name + ".order", shape_of(part, part.order.size(), false), known))
        for (std::size_t i = 0; i < part.order.size(); ++i) {
          const double place = order->data<double>()[i];
          // What is no place at all becomes one that no permutation has.
          part.order[i] = place >= 0 && place < static_cast<double>(part.size) && place == std::floor(place)
                              ? static_cast<std::int32_t>(place)
                              : -1;
        }
    each_value(factor.name, part, [&](const std::string& name, std::vector<double>& numbers, bool matrices) {
      if (const auto values = read(path, file, name, shape_of(part, numbers.size(), matrices), known))
        std::ranges::copy(values->span<double>(), numbers.begin());
    });
    invert(path, factor.name, part);
  }
  for (const FileTensor& t : file.tensors())
    if (!known.contains(t.name)) refuse_unknown(path, t.name, space, known);
  try {
    return Element(space, std::move(parts));
  } catch (const UsageError& error) {
    fail(path, "{}", without_sender(error.what()));
  }
}

}  // namespace weft
