#pragma once
// The names of a file's tensors, and what a text calls them (spec 8.7, 8.8).

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/networks/files/solve.h"
#include "weft/networks/files/template.h"

namespace weft {

/// What a file says of a tensor.
struct StoredTensor {
  std::string name;
  Shape shape;
  bool weights = true;  ///< floating-point numbers; others are counters and indices, which no text needs to name

  /// Whether a text has to name it: an optimiser's state beside a network is carried along, as counters are.
  bool is_weight() const { return weights && !name.starts_with("optim"); }
};

/// A file's tensors, its config (an object, which may be empty), and whether two of the tensors hold the same numbers,
/// where somebody can tell.
struct StoredNetwork {
  std::span<const StoredTensor> tensors;
  Json config = Json(Json::Object{});
  std::function<bool(const std::string& a, const std::string& b)> equal = {};
};

/// The whole number from 0 on that a text is, or nothing.
std::optional<std::int64_t> number_of(std::string_view text);

/// The file's tensors under the names that a text has for them, below a module.
class StoredNames {
 public:
  StoredNames(std::span<const StoredTensor> tensors, const Template& text, const std::string& module);

  FileShapes shapes;
  std::map<std::string, const StoredTensor*> stored;

  /// The name that the file would have for a tensor of the text that it lacks, below the module.
  std::string own_name(const std::string& name) const;

  /// Names of the file that the text has no tensor for and that it does not ignore.
  std::vector<std::string> extra(const std::set<std::string>& known) const;

 private:
  void renumber(const std::string& pattern);

  const Template& text_;
  std::vector<std::pair<std::string, const StoredTensor*>> of_file_;
  std::set<std::string> modules_;  ///< that its names begin with: "lm_head."
};

/// The weights of a file, one of those whose names differ in digits alone.
std::vector<std::string> representatives(std::span<const StoredTensor> tensors);
/// How many names there are that differ in more than digits.
std::size_t distinct_but_for_digits(std::span<const std::string> names);

/// How many of these names that lie below the module are none of the text's tensors, and how many of those that it
/// requires are none of these names: asked before it is expanded, and where a loop does not turn too many. Nothing
/// where the text does not tell.
std::optional<std::size_t> unlike(const Template& text, const std::vector<std::string>& names,
                                  const std::string& module);

}  // namespace weft
