#include "weft/networks/files/file_space.h"

#include <algorithm>
#include <set>

#include "weft/core/error.h"

namespace weft {
namespace {

/// Of one tensor: alternatives of several axes multiply.
constexpr std::size_t max_windows = 1024;
/// A feature has two more, and tensors have eight.
constexpr std::size_t max_axes = Shape::max_rank - 2;

/// A window of a product before it is one of a space: `axes` as far as they are known.
struct Part {
  std::string labels;
  std::int64_t offset = 0;
  std::vector<WindowAxis> axes;
  std::vector<SpaceAxis> of_space;
};

class Builder {
 public:
  explicit Builder(FileText text) : text_(std::move(text)), factors_(text_.factors) {
    for (std::size_t i = 0; i < factors_.size(); ++i)
      factors_[i].size = number(text_.sizes[i], "factor", factors_[i].name);
    Space(factors_, {});
  }

  FileSpace operator()() && {
    for (const TensorText& t : text_.tensors) add(t);
    return {Space(std::move(factors_), std::move(tensors_)), std::move(windows_), std::move(files_), std::move(text_)};
  }

 private:
  static std::int64_t number(const Expression& size, const char* what, const std::string& name) {
    if (const auto n = size.whole()) return *n;
    throw ParseError("[architecture] {} '{}' has {} places, which is no number yet; give {} in the network's config",
                     what, name, size.str(), fmt::join(names_of(size), ", "));
  }

  void add(const TensorText& t) {
    name_ = t.name;
    FileEntry file{{}, {}, t.optional, t.plus, t.ties, false, t.constant};
    std::vector<Part> parts{Part{}};
    const std::vector<Factor> before = factors_;
    if (t.tap_rows * t.tap_columns != 1) {
      file.shape.push_back(t.tap_rows * t.tap_columns);
      parts[0].axes.push_back({t.tap_rows * t.tap_columns, 1});
    }
    for (const FileProduct& axis : t.axes) {
      const auto [size, ends] = windows_of(axis);
      if (file.shape.rank() == Shape::max_rank || !file.shape.takes(size))
        throw ParseError("[architecture] tensor '{}' is too large; allowed: {} axes, fewer than 2^60 numbers", name_,
                         Shape::max_rank);
      file.shape.push_back(size);
      parts = product(parts, size, ends);
    }
    name_files(t, file);
    if (t.constant) {
      parts.clear();
      factors_ = before;
    }
    for (Part& part : parts) {
      const std::size_t taps = t.tap_rows * t.tap_columns != 1;
      Window window{static_cast<int>(files_.size()), part.offset, std::move(part.axes)};
      SpaceTensor tensor{space_name(t.name + part.labels), std::move(part.of_space), t.tap_rows, t.tap_columns};
      if (const auto index = t.index(); index && file.indexed) {
        const int factor = position_of(factors_, *index);
        window.axes.insert(window.axes.begin(), {factors_[static_cast<std::size_t>(factor)].size, 0});
        tensor.axes.insert(tensor.axes.begin(), {factor, AxisRole::vector});
      }
      if (window.axes.size() - taps > max_axes)
        throw ParseError("[architecture] tensor '{}' has {} axes; allowed: up to {}", tensor.name,
                         window.axes.size() - taps, max_axes);
      windows_.push_back(std::move(window));
      tensors_.push_back(std::move(tensor));
    }
    files_.push_back(std::move(file));
  }

  /// The names of its tensors, each of them new.
  void name_files(const TensorText& t, FileEntry& file) {
    if (const auto index = t.index()) {
      const int factor = position_of(factors_, *index);
      if (factor < 0) throw ParseError("[architecture] tensor '{}' names '{}', which is no factor", t.name, *index);
      if (!t.ties.empty())
        throw ParseError("[architecture] tensor '{}' is one for each place of '{}'; allowed: no copies of it", t.name,
                         *index);
      const Factor& f = factors_[static_cast<std::size_t>(factor)];
      if (!f.kind->has_places() || !f.along.empty() || f.size > max_places)
        throw ParseError(
            "[architecture] tensor '{}' is one for each place of {}: {}; allowed: up to {} places of its "
            "own",
            t.name, f.name, f.str(), max_places);
      name_characters_ += static_cast<std::int64_t>(t.name.size()) * f.size;
      if (name_characters_ > max_name_characters)
        throw ParseError("[architecture] tensor '{}': all names together have {} characters; allowed: up to {}", t.name,
                         name_characters_, max_name_characters);
      for (std::int64_t k = 0; k < f.size; ++k) file.names.push_back(name_at(t.name, std::to_string(k)));
      file.indexed = true;
    } else {
      file.names = {t.name};
    }
    for (const auto* names : {&file.names, &file.ties})
      for (const std::string& name : *names)
        if (!known_.insert(name).second) throw ParseError("[architecture] tensor '{}' stands twice in the text", name);
  }

  std::pair<std::int64_t, std::vector<Part>> windows_of(const FileProduct& atoms) {
    std::int64_t size = 1;
    std::vector<Part> parts{Part{}};
    for (const FileAtom& atom : atoms) {
      const auto [own, ends] = windows_of(atom);
      parts = product(parts, own, ends);
      size = bounded(product_of_sizes(size, own));
    }
    return {size, std::move(parts)};
  }

  std::pair<std::int64_t, std::vector<Part>> windows_of(const FileAtom& atom) {
    if (atom.axis) {
      const std::int64_t size = factors_[static_cast<std::size_t>(atom.axis->factor)].size;
      if (atom.centred) return centred(atom, size + 1);
      return {size, {Part{"", 0, {{size, 1}}, {*atom.axis}}}};
    }
    if (atom.places) {
      const std::int64_t size = number(*atom.places, "tensor", name_);
      if (size < 1 || size > max_factor_size)
        throw ParseError("[architecture] tensor '{}' has an axis of {} places; allowed: 1 to {}", name_, size,
                         max_factor_size);
      return {size, {Part{"", 0, {{size, 1}}, {{anonymous(size), AxisRole::vector}}}}};
    }
    std::int64_t offset = 0;
    std::vector<Part> parts;
    for (const FileAlternative& a : atom.alternatives) {
      auto [size, own] = windows_of(a.product);
      for (Part& part : own) {
        if (!a.label.empty()) part.labels = "." + a.label + part.labels;
        part.offset += offset;
        parts.push_back(std::move(part));
      }
      offset = bounded(size > max_numel - offset ? std::nullopt : std::optional(offset + size));
    }
    check_count(parts.size());
    return {offset, std::move(parts)};
  }

  /// An axis of D places as numbers in a basis of the vectors of sum 0, and their sums where they are asked for.
  static std::pair<std::int64_t, std::vector<Part>> centred(const FileAtom& atom, std::int64_t places) {
    const AxisPart part = atom.sum.empty() ? AxisPart::centred : AxisPart::beside_sum;
    std::vector<Part> parts{Part{"", 0, {{places, 1, part}}, {*atom.axis}}};
    if (!atom.sum.empty()) parts.push_back(Part{"." + atom.sum, 0, {{places, 1, AxisPart::sum}}, {}});
    return {places, std::move(parts)};
  }

  /// All of `slow`, each place of which holds `size` numbers: those of `fast`.
  std::vector<Part> product(const std::vector<Part>& slow, std::int64_t size, const std::vector<Part>& fast) const {
    check_count(slow.size() * fast.size());
    std::vector<Part> out;
    for (const Part& a : slow)
      for (const Part& b : fast) {
        Part both = a;
        bounded(product_of_sizes(a.offset, size));
        both.offset = a.offset * size + b.offset;
        for (WindowAxis& axis : both.axes) axis.stride = bounded(product_of_sizes(axis.stride, size));
        if (both.axes.size() + b.axes.size() > max_axes + 1)
          throw ParseError("[architecture] tensor '{}' has more than {} axes; allowed: up to {}", name_, max_axes,
                           max_axes);
        both.labels += b.labels;
        both.axes.insert(both.axes.end(), b.axes.begin(), b.axes.end());
        both.of_space.insert(both.of_space.end(), b.of_space.begin(), b.of_space.end());
        out.push_back(std::move(both));
      }
    return out;
  }

  int anonymous(std::int64_t size) {
    const Factor own = fixed_places(size);
    const int factor = take_up(factors_, own);
    if (factor < 0)
      throw ParseError(
          "[architecture] tensor '{}': an axis of {} places needs a factor '{}', which is {}; rename that "
          "one",
          name_, size, own.name, factors_[static_cast<std::size_t>(position_of(factors_, own.name))].str());
    return factor;
  }

  std::int64_t bounded(std::optional<std::int64_t> size) const {
    if (!size) throw ParseError("[architecture] tensor '{}' is too large; allowed: fewer than 2^60 numbers", name_);
    return *size;
  }
  void check_count(std::size_t windows) const {
    if (windows > max_windows)
      throw ParseError("[architecture] tensor '{}' has {} windows; allowed: up to {}", name_, windows, max_windows);
  }

  static constexpr std::int64_t max_places = 65536, max_name_characters = 1 << 24;

  FileText text_;
  std::vector<Factor> factors_;       ///< and anonymous ones as they are met
  std::int64_t name_characters_ = 0;  ///< of tensors that are one for each place
  std::string name_;                  ///< of the tensor that is read
  std::vector<SpaceTensor> tensors_;
  std::vector<Window> windows_;
  std::vector<FileEntry> files_;
  std::set<std::string> known_;
};

}  // namespace

FileSpace FileSpace::of(FileText text) { return Builder(std::move(text))(); }

FileSpace FileSpace::of(const Space& space) {
  FileSpace out;
  out.space = space;
  for (int t = 0; t < std::ssize(space.tensors()); ++t) {
    const SpaceTensor& tensor = space.tensors()[static_cast<std::size_t>(t)];
    const Shape feature = space.feature_shape(t, 1, 1);
    const Shape shape = feature.sub(tensor.taps() == 1 ? 2 : 1, feature.rank());
    Window window{t, 0, {}};
    std::int64_t stride = shape.numel();
    for (int k = 0; k < shape.rank(); ++k) window.axes.push_back({shape[k], stride /= shape[k]});
    out.windows.push_back(std::move(window));
    out.files.push_back({{tensor.name}, shape});
  }
  return out;
}

FileSpace FileSpace::present(const std::function<bool(const std::string& name)>& holds) const {
  FileText left = text;
  left.tensors.clear();
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto& names = files[i].names;
    if (files[i].optional && std::none_of(names.begin(), names.end(), holds)) continue;
    left.tensors.push_back(text.tensors[i]);
    std::erase_if(left.tensors.back().ties, [&](const std::string& tie) { return !holds(tie); });
  }
  std::erase_if(left.folds, [&](const FoldText& fold) { return unknown_name(fold, left).has_value(); });
  return of(std::move(left));
}

FileSpace FileSpace::renamed(const std::function<std::string(const std::string& name)>& name) const {
  FileSpace out = *this;
  for (FileEntry& file : out.files) {
    for (std::string& own : file.names) own = name(own);
    for (std::string& own : file.ties) own = name(own);
  }
  return out;
}

}  // namespace weft
