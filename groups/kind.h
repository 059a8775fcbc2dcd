#pragma once
// Kinds of group factors (spec 1.5, 8.2): one table a kind says all that others need to know of it, so that nobody asks
// which kind it is.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "weft/groups/action.h"
#include "weft/groups/kinds/list.h"

namespace weft {

struct RandomKey;
struct ElementPart;
struct ElementRange;
struct TermPlace;
struct TermVerdict;

/// What an element multiplies the places of an axis by.
enum class Scales : std::uint8_t { none, positive, sign, any };

/// What an element does to an axis that has no places: multiplies it by a matrix, or by one complex number a pair of
/// entries, which are (p, p + n/2) or (2p, 2p + 1).
enum class Mixing : std::uint8_t { none, matrix, halves, adjacent };

/// Why an action is refused, by action; null where it is allowed. {op} and {kind} stand for names.
using Refusals = std::array<const char*, action_count>;

struct KindTable {
  const char* name;
  const char* matrices;  ///< in words
  const char* example;   ///< a factor of this kind, for tests and documentation
  bool ordered = false;  ///< elements permute the places
  Scales scales = Scales::none;
  Mixing mixing = Mixing::none;
  bool self_dual = false;  ///< g^-T = g: vectors and covectors are alike
  Refusals refusals{};

  /// Makes one copy of an identity part random, as ElementRange says; null: it never moves.
  void (*randomise)(ElementPart& part, std::int64_t copy, RandomKey key, const ElementRange& range) = nullptr;
  /// Why a part that fits in its sizes is none of this kind; null for nothing. Orders, scales and inverses are checked
  /// for all kinds alike.
  const char* (*complaint)(const ElementPart& part) = nullptr;
  /// Elements whose products are dense in the group of one copy, made from its identity.
  std::vector<ElementPart> (*generators)(const ElementPart& identity) = nullptr;
  /// The typed-term rule on the places of one index (spec 7.2, 8.3), of kinds without places of their own. Of others it
  /// is that every character is balanced.
  TermVerdict (*verdict)(std::span<const TermPlace> places) = nullptr;
  /// Where a model of networks has this kind, one that looks alike and is no symmetry: what its checks must notice.
  const KindTable* control = nullptr;

  bool moves() const { return randomise != nullptr; }
  bool has_places() const { return mixing == Mixing::none; }
  bool has_pairs() const { return mixing == Mixing::halves || mixing == Mixing::adjacent; }
  bool has_signs() const { return scales == Scales::sign || scales == Scales::any; }
  bool has_magnitudes() const { return scales == Scales::positive || scales == Scales::any; }
  /// Of the Lie group of one copy of `size` places or entries.
  std::int64_t dimension(std::int64_t size) const {
    if (mixing == Mixing::matrix) return self_dual ? size * (size - 1) / 2 : size * size;
    return has_pairs() || has_magnitudes() ? size : 0;
  }
};

namespace kind_tables {
#define WEFT_KIND(name) extern const KindTable name;
WEFT_KINDS(WEFT_KIND)
#undef WEFT_KIND
}  // namespace kind_tables

/// A kind as a value: kind->name, FactorKind::GL.
class FactorKind {
 public:
  constexpr explicit FactorKind(const KindTable* table) : table_(table) {}
  constexpr const KindTable* operator->() const { return table_; }
  constexpr bool operator==(const FactorKind&) const = default;

#define WEFT_KIND(name) static const FactorKind name;
  WEFT_KINDS(WEFT_KIND)
#undef WEFT_KIND

 private:
  const KindTable* table_;
};

#define WEFT_KIND(name) inline constexpr FactorKind FactorKind::name{&kind_tables::name};
WEFT_KINDS(WEFT_KIND)
#undef WEFT_KIND

inline constexpr FactorKind all_kinds[] = {
#define WEFT_KIND(name) FactorKind::name,
    WEFT_KINDS(WEFT_KIND)
#undef WEFT_KIND
};

/// The kind by whose column of the rule table an axis is judged (spec 8.1): that of a root whose places are scaled by
/// numbers of these kinds.
FactorKind effective_kind(FactorKind root, bool signs, bool magnitudes);

}  // namespace weft
