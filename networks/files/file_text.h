#pragma once
// The text of a file's tensors (spec 8.6), read: factors, and for each tensor of the file how its axes are made of
// theirs. Sizes may be left open.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/groups/space.h"
#include "weft/networks/files/expression.h"
#include "weft/networks/files/fold_text.h"

namespace weft {

struct FileAtom;

/// Atoms, slowest first: "h q", "c* 7 7".
using FileProduct = std::vector<FileAtom>;

/// One of several that stand one behind the other along an axis: "q: h q".
struct FileAlternative {
  std::string label;  ///< or empty
  FileProduct product;
};

/// One of three: an axis of factors, a number of places that no factor moves, alternatives.
struct FileAtom {
  std::optional<SpaceAxis> axis = {};
  std::optional<Expression> places = {};
  std::vector<FileAlternative> alternatives = {};
  bool centred = false;  ///< "~s": one place more than the axis has, for vectors whose sum is 0
  std::string sum = {};  ///< "~s + bias": their sums are a tensor of its own, of this label
};

/// A tensor of the file, or one for each place of a factor whose name stands between braces in its name.
/// What stands before and behind the factor between braces; nothing where a name has none.
std::optional<std::pair<std::string, std::string>> around_index(const std::string& name);
/// The file's name for one place of that factor: "experts.3.w1" of "experts.{e}.w1"; the name itself where it has none.
std::string name_at(const std::string& name, const std::string& place);

struct TensorText {
  std::string name;
  bool optional = false;               ///< "?": some files lack it
  std::int64_t plus = 0;               ///< what the file's numbers lack: of 1, the tensor is what the file holds plus 1
  std::vector<std::string> ties = {};  ///< "= name": copies, which some files hold too
  std::optional<std::int64_t> constant = {};  ///< ":= 1": what all of its numbers are; it is none of the space
  std::vector<FileProduct> axes = {};
  std::int64_t tap_rows = 1, tap_columns = 1;  ///< as of a space: the file's first axis is then that of the taps

  /// The factor between braces, or nothing.
  std::optional<std::string> index() const;
};

struct FileText {
  std::vector<Factor> factors;    ///< their sizes are those below
  std::vector<Expression> sizes;  ///< of the factors: whole numbers, or what is not known yet
  std::vector<TensorText> tensors;
  std::vector<FoldText> folds;
  std::vector<std::string> notes;     ///< what is taken for granted of a network, as names and shapes do not tell it
  std::vector<std::string> unfolded;  ///< what no fold takes, and why

  /// Reads declarations and tensors; a size is a number or "$(expression)". Throws ParseError, with `lines`, the lines
  /// of the source for each line of the text, where there are such.
  static FileText parse(std::string_view text, const std::vector<int>& lines = {});
  /// The text again: parse(str()).str() == str().
  std::string str() const;

  /// How many places a product has: an expression of the open sizes.
  Expression size_of(const FileProduct& product) const;
};

/// As texts write it: in quotes where it needs them.
std::string written_name(const std::string& name);

/// The name of a tensor of a file as a name of spaces and terms (spec 8.6), each another: "0.weight" is "x.0.weight".
std::string space_name(std::string_view file_name);

/// The names of a text's tensors, copies and those between braces too, without reading their axes.
struct TensorNames {
  std::string name;
  bool optional;
  std::vector<std::string> ties;
};
std::vector<TensorNames> tensor_names(std::string_view text);

}  // namespace weft
