#pragma once
// What a text says of the points of orbits that its networks can be moved to without a change of what they compute
// (spec 8.9).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weft/groups/lexer.h"

namespace weft {

struct FileText;

struct FoldText {
  enum class Kind : std::uint8_t {
    untie,
    layer_norm,
    rms_norm,
    batch_norm,
    zero,
    move,
    mean,
    centre,
    stream,
    centred_stream
  };

  Kind kind = Kind::untie;
  std::vector<std::string> of;  ///< tensors; of norms their modules; of streams their factors
  std::string over = {};        ///< the factor of a mean
  std::int64_t from = 0;        ///< its places [from, to)
  std::optional<std::int64_t> to = {};
  std::vector<std::string> through = {}, into = {};  ///< tensors
  std::string eps = {};                              ///< of a batch norm, as it is written

  /// "fold move a.bias through b.weight into c.bias"
  std::string str() const;
};

/// The rest of a statement behind its word "fold".
FoldText parse_fold(Lexer& in);

/// Whether that word is next, and no tensor of this name.
bool begins_fold(Lexer in);

/// The first name of it that the text has not, or nothing. What is untied is not asked for.
std::optional<std::string> unknown_name(const FoldText& fold, const FileText& text);

}  // namespace weft
