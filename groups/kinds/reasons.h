#pragma once
// Why actions are refused, where several kinds refuse for one reason. {op} and {kind} stand for names.

#include <initializer_list>
#include <utility>

#include "weft/groups/kind.h"

namespace weft::kind_tables {

/// All that is not listed is allowed.
consteval Refusals refusing(std::initializer_list<std::pair<Action, const char*>> listed, Refusals others = {}) {
  for (const auto& [action, reason] : listed) others[static_cast<std::size_t>(action)] = reason;
  return others;
}

inline constexpr const char* places_move = "{op} along an axis that moves; only a fixed axis keeps its places";
inline constexpr const char* not_homogeneous = "{op} is not homogeneous; use relu or leaky_relu";
inline constexpr const char* not_odd = "{op} is not odd; use tanh or sin, or take abs first";

/// Of every kind that scales by numbers above 0.
inline constexpr Refusals scaled = refusing(
    {{Action::reduce, "{op} adds entries with different scales; contract with a covector of the same factor"},
     {Action::broadcast,
      "{op} would repeat one value over entries that scale differently; multiply by a feature of that axis"},
     {Action::mix, "{op} does not commute with scaling; normalise over the channels first, or contract the axis"},
     {Action::select, places_move},
     {Action::normalise_along,
      "{op} does not commute with scaling; normalise over the channels first, or contract the axis"},
     {Action::pointwise_any, not_homogeneous},
     {Action::pointwise_odd, not_homogeneous},
     {Action::add_constant, "{op}: a constant does not scale; add a feature of that axis"}});

/// Of every kind that mixes the entries of an axis, which then has no places.
inline constexpr Refusals mixed = refusing(
    {{Action::reduce, "{op} over an axis that {kind} mixes; contract with a covector of the same factor"},
     {Action::broadcast, "{op} would repeat one value along an axis that {kind} mixes"},
     {Action::mix, "{op} does not commute with {kind}; contract the axis first"},
     {Action::multiply, "{op} does not commute with {kind}; contract the axis first"},
     {Action::select, places_move},
     {Action::absolute, "no pointwise function commutes with {kind}, {op} neither; contract the axis first"},
     {Action::normalise, "{op}: {kind} mixes the entries whose norms it takes; contract the axis first"},
     {Action::normalise_along, "{op}: {kind} changes the norm of the axis; contract the axis first"},
     {Action::pointwise_any, "no pointwise function commutes with {kind}, {op} neither; contract the axis first"},
     {Action::pointwise_odd, "no pointwise function commutes with {kind}, {op} neither; contract the axis first"},
     {Action::pointwise_homogeneous,
      "no pointwise function commutes with {kind}, {op} neither; contract the axis first"},
     {Action::add_constant, "{op}: a constant does not transform by {kind}; add a feature of that axis"}});

}  // namespace weft::kind_tables
