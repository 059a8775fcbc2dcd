#pragma once
// Templates of texts (spec 8.7): loops, conditions and sizes over the names of a config.json, which leave the text of
// one network's file. What the config does not say, a file's names may.

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/core/shape.h"
#include "weft/networks/files/expression.h"

namespace weft {

/// The shapes of a file's tensors, by the names that a text has for them.
using FileShapes = std::map<std::string, Shape>;

/// What a template asks of a file.
struct FileFacts {
  FileShapes shapes;
  /// Whether two of its tensors hold the same numbers; empty where nobody can tell.
  std::function<bool(const std::string& a, const std::string& b)> equal = {};
};

/// The text of one network's file.
struct ExpandedText {
  std::string text;
  std::vector<int> lines;            ///< of the template, for each line of the text
  std::map<std::string, Json> told;  ///< what the file's names told: "num_hidden_layers", "depths[1]"
};

/// A piece of a template.
struct TemplateNode {
  enum class Kind : std::uint8_t { text, size, index, definition, loop, condition };

  Kind kind = Kind::text;
  int line = 1;
  std::string text = {};  ///< as it is; of an index, between its braces; of a definition or loop, the name
  std::string stem = {}, pattern = {};  ///< of a loop over the file's names that fit: the name of what the star is
  Expression from = {}, to = {};        ///< of a loop; of others `to` is what is computed
  std::vector<TemplateNode> body = {}, otherwise = {};
};

class Template {
 public:
  /// Throws ParseError, naming line and column.
  static Template parse(std::string_view text);

  /// With the names of `config`, an object, alone; throws ParseError for one that it lacks, a loop of more than 10000
  /// turns, more than 100000 turns in all, or more than 4 million characters, those counted that were only tried.
  ExpandedText expanded(const Json& config) const;
  /// Where the config does not know how often a loop turns or whether a condition holds, the file's names decide; sizes
  /// that are not known stay in the text as "$(expression)". Ties are decided by the file, whatever the config says.
  ExpandedText expanded(const Json& config, const FileFacts& file) const;

  /// The names of the file's tensors that are no weights: patterns.
  const std::vector<std::string>& ignored() const { return ignored_; }
  /// Names of other files as patterns, and what the text calls them.
  const std::vector<std::pair<std::string, std::string>>& renames() const { return renames_; }
  /// Names whose first star is a number: these are counted anew from 0, without gaps.
  const std::vector<std::string>& numbered() const { return numbered_; }
  /// Patterns of the names of all tensors that a file of it may have, copies too; none where that cannot be told.
  const std::vector<std::string>& tensors() const { return tensors_; }
  /// Of those that stand under no condition: a file has one of each, unless a loop does not turn.
  const std::vector<std::string>& required() const { return required_; }
  /// Whether it is the text of a module, which a file may hold under any name.
  bool part() const { return part_; }
  /// Whether it has this name too, as a config's "model_type" says it.
  bool is_model(std::string_view name) const {
    return std::find(models_.begin(), models_.end(), name) != models_.end();
  }
  /// Whether it has such names: else it is of any network with these tensors.
  bool of_models() const { return !models_.empty(); }
  /// Whether it is only meant where it is asked for by a name, since files of another text have the same tensors.
  bool requested() const { return requested_; }

 private:
  friend class TemplateReader;
  std::vector<TemplateNode> nodes_;
  std::vector<std::string> ignored_, numbered_, models_, tensors_, required_;
  std::vector<std::pair<std::string, std::string>> renames_;
  bool part_ = false, requested_ = false;
};

}  // namespace weft
