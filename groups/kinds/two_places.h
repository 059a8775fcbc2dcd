#pragma once
// The typed-term rule of kinds that mix the entries of an axis (spec 7.2, 8.3).

#include <span>

#include "weft/groups/term_rule.h"

namespace weft::kind_tables {

/// Two places: one on each side in the same role, or a vector and a covector on one side.
TermVerdict two_dual_places(std::span<const TermPlace> places);
/// Two places, whatever their roles.
TermVerdict two_places(std::span<const TermPlace> places);

}  // namespace weft::kind_tables
