#include "weft/networks/files/folded_text.h"

#include <algorithm>

#include "weft/core/error.h"

namespace weft {
namespace {

using Kind = FoldText::Kind;

template <class Use>
void each_axis(FileProduct& product, const Use& use) {
  for (FileAtom& atom : product) {
    if (atom.axis) use(atom);
    for (FileAlternative& a : atom.alternatives) each_axis(a.product, use);
  }
}

class Folder {
 public:
  explicit Folder(FileText text) : text_(std::move(text)) {}

  FileText operator()() && {
    const std::vector<FoldText> folds = std::move(text_.folds);
    text_.folds.clear();
    for (const FoldText& fold : folds)
      for (const std::string& of : fold.of) {
        if (fold.kind == Kind::layer_norm || fold.kind == Kind::rms_norm) norm(fold, of);
        if (fold.kind == Kind::batch_norm) batch_norm(fold, of);
      }
    for (const FoldText& fold : folds)
      for (const std::string& of : fold.of)
        if (fold.kind == Kind::stream || fold.kind == Kind::centred_stream) stream(fold, of);
    each([&](const TensorText&, FileAtom& atom) {
      if (!atom.centred) atom.sum.clear();
    });
    drop_unused();
    return std::move(text_);
  }

 private:
  template <class Use>
  void each(const Use& use) {
    for (TensorText& t : text_.tensors)
      for (FileProduct& axis : t.axes) each_axis(axis, [&](FileAtom& atom) { use(t, atom); });
  }

  void set_constant(TensorText& t, std::int64_t value) {
    t.constant = value;
    for (FileProduct& axis : t.axes) axis = {FileAtom{.places = text_.size_of(axis)}};
  }

  /// Multiplies the scales of `from`, which go, by those of `to`, where there is one.
  void replace(FileAtom& atom, int from, int to) const {
    SpaceAxis& axis = *atom.axis;
    const auto own =
        std::find_if(axis.characters.begin(), axis.characters.end(), [&](const auto& c) { return c.factor == from; });
    if (own == axis.characters.end()) return;
    const int degree = own->degree;
    axis.characters.erase(own);
    const auto other =
        std::find_if(axis.characters.begin(), axis.characters.end(), [&](const auto& c) { return c.factor == to; });
    if (other != axis.characters.end())
      other->degree += degree;
    else if (to >= 0)
      axis.characters.push_back({to, degree});
    if (axis.characters.empty() && text_.factors[static_cast<std::size_t>(axis.factor)].kind->scales != Scales::none)
      axis.characters.push_back({axis.factor, 0});
    if (axis.characters.empty()) axis.role = AxisRole::vector;
    if (axis.characters.size() == 1 && axis.characters[0].factor == axis.factor &&
        std::abs(axis.characters[0].degree) == 1) {
      axis.role = axis.characters[0].degree == 1 ? AxisRole::vector : AxisRole::covector;
      axis.characters.clear();
    }
  }

  void norm(const FoldText& fold, const std::string& of) {
    const int gain = tensor_of(text_, of + ".weight"), bias = tensor_of(text_, of + ".bias");
    if (gain < 0) return;
    const int factor = factor_of_norm(fold, text_.tensors[static_cast<std::size_t>(gain)]);
    set_constant(text_.tensors[static_cast<std::size_t>(gain)], 1);
    const bool own_bias = fold.kind == Kind::layer_norm && bias >= 0;
    bool biased = true;
    each([&](const TensorText& t, FileAtom& atom) {
      const auto& all = atom.axis->characters;
      const auto own = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.factor == factor; });
      if (own == all.end() || own->degree != -1) return;
      if (own_bias && tensor_of(text_, bias_name(t.name)) < 0) {
        biased = false;
        atom.sum = "bias";
      }
    });
    if (own_bias) set_constant(text_.tensors[static_cast<std::size_t>(bias)], biased ? 0 : 1);
    each([&](const TensorText&, FileAtom& atom) { replace(atom, factor, -1); });
  }

  /// The factors that move the places of a product.
  static std::vector<int> moving(FileProduct& product) {
    std::vector<int> out;
    each_axis(product, [&](const FileAtom& atom) { out.push_back(atom.axis->factor); });
    return out;
  }

  void batch_norm(const FoldText& fold, const std::string& of) {
    const int weight = tensor_of(text_, fold.into[0]), gain = tensor_of(text_, of + ".weight");
    if (weight < 0 || gain < 0) return;
    const auto rows_of = [&](int t) { return moving(text_.tensors[static_cast<std::size_t>(t)].axes.at(0)); };
    if (rows_of(weight) != rows_of(gain))
      throw ParseError("[architecture] '{}': the rows of '{}' are not the places of '{}.weight'", fold.str(),
                       fold.into[0], of);
    int from = -1, to = -1, found = 0;
    // Of grouped convolutions the groups stand in front.
    each_axis(text_.tensors[static_cast<std::size_t>(weight)].axes.at(0), [&](const FileAtom& atom) {
      if (atom.axis->characters.size() != 1 || atom.axis->characters[0].factor == atom.axis->factor) return;
      from = atom.axis->characters[0].factor;
      to = atom.axis->factor;
      ++found;
    });
    if (found != 1)
      throw ParseError("[architecture] '{}': '{}' is written by one factor along another", fold.str(), fold.into[0]);
    each([&](const TensorText&, FileAtom& atom) { replace(atom, from, to); });
  }

  void stream(const FoldText& fold, const std::string& of) {
    const bool centred = fold.kind == Kind::centred_stream;
    const int s = position_of(text_.factors, of);
    Factor& factor = text_.factors[static_cast<std::size_t>(s)];
    each([&](const TensorText& t, FileAtom& atom) {
      if (atom.axis->factor != s) return;
      if (!atom.axis->characters.empty())
        throw ParseError("[architecture] '{}': tensor '{}' is scaled along '{}', so that this cannot rotate",
                         fold.str(), t.name, of);
      atom.axis->role = AxisRole::vector;
      atom.centred = centred;
    });
    factor.kind = FactorKind::orthogonal;
    if (centred) {
      Expression& size = text_.sizes[static_cast<std::size_t>(s)];
      size = size.whole() ? Expression::of(*size.whole() - 1) : Expression::plus(std::move(size), Expression::of(-1));
    }
  }

  /// Factors that no tensor has any more.
  void drop_unused() {
    std::vector<bool> used(text_.factors.size());
    const auto use = [&](int factor) {
      if (factor < 0) return;
      const Factor& f = text_.factors[static_cast<std::size_t>(factor)];
      for (const int one : {factor, position_of(text_.factors, f.per), position_of(text_.factors, f.along)})
        if (one >= 0) used[static_cast<std::size_t>(one)] = true;
    };
    each([&](const TensorText&, FileAtom& atom) {
      use(atom.axis->factor);
      for (const FactorDegree& c : atom.axis->characters) use(c.factor);
    });
    for (const TensorText& t : text_.tensors)
      if (const auto index = t.index()) use(position_of(text_.factors, *index));
    std::vector<int> now(used.size(), -1);
    FileText out;
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) continue;
      now[i] = static_cast<int>(out.factors.size());
      out.factors.push_back(text_.factors[i]);
      out.sizes.push_back(text_.sizes[i]);
    }
    each([&](const TensorText&, FileAtom& atom) {
      atom.axis->factor = now[static_cast<std::size_t>(atom.axis->factor)];
      for (FactorDegree& c : atom.axis->characters) c.factor = now[static_cast<std::size_t>(c.factor)];
    });
    out.tensors = std::move(text_.tensors);
    out.notes = std::move(text_.notes);
    text_ = std::move(out);
  }

  FileText text_;
};

}  // namespace

FileText folded_text(FileText text) { return Folder(std::move(text))(); }

std::string bias_name(const std::string& weight) {
  static constexpr std::string_view word = ".weight";
  const std::size_t at = weight.rfind(word);
  return at == std::string::npos ? "" : weight.substr(0, at) + ".bias" + weight.substr(at + word.size());
}

int tensor_of(const FileText& text, const std::string& name) {
  const auto t = std::find_if(text.tensors.begin(), text.tensors.end(), [&](const auto& x) { return x.name == name; });
  return t == text.tensors.end() ? -1 : static_cast<int>(t - text.tensors.begin());
}

int factor_of_norm(const FoldText& fold, const TensorText& gain) {
  if (gain.axes.size() == 1 && gain.axes[0].size() == 1 && gain.axes[0][0].axis) {
    const auto& characters = gain.axes[0][0].axis->characters;
    if (characters.size() == 1 && characters[0].degree == 1 && characters[0].factor != gain.axes[0][0].axis->factor)
      return characters[0].factor;
  }
  throw ParseError("[architecture] '{}': tensor '{}' is no norm's weight; allowed: one axis, of a factor along another",
                   fold.str(), gain.name);
}

}  // namespace weft
