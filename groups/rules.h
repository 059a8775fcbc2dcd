#pragma once
// What an operation may do to an axis: the rule table, action x kind of the factor, with reasons (spec 1.5, 8.4).

#include <string>
#include <string_view>

#include "weft/groups/type.h"

namespace weft {

/// The reason why `op`, which is of kind `action`, is refused on an axis of this kind, with what to do instead; empty
/// when it is allowed.
std::string refusal(Action action, FactorKind kind, std::string_view op);

/// The whole table in words: every action, and the kinds that allow it.
std::string rule_table();

/// Throws TypeError "[op] tensor 'W2', axis 0 'h2' (positive_monomial(32)): reason" when the table refuses axis `axis`
/// of `type`.
void require(Action action, std::string_view op, std::string_view tensor, const Type& type, int axis);
/// The same for what goes along the axis, from place to place: refused too where another axis has copies for each place
/// of this one.
void require_along(Action action, std::string_view op, std::string_view tensor, const Type& type, int axis);
/// For every axis.
void require(Action action, std::string_view op, std::string_view tensor, const Type& type);

/// The location prefix of such a message: "[op] tensor 'W2', axis 0 'h2*' (positive_monomial(32))".
std::string at_axis(std::string_view op, std::string_view tensor, const Type& type, int axis);

/// Equal types, roles identified for self-dual factors; throws TypeError (add, concat). For a pair that is each
/// other's dual over a factor that is not self-dual it explains that a gradient is no weight and that no metric is
/// invariant.
void require_equal(std::string_view op, std::string_view a_name, const Type& a, std::string_view b_name, const Type& b);

/// The type of a product of two features, or of what a contraction keeps of both: places move alike, degrees add.
/// Throws TypeError where one is refused (Action::multiply) or the places are others.
Axis multiplied(std::string_view op, std::string_view a_name, const Type& a, int i, std::string_view b_name,
                const Type& b, int j);

/// Axis i of a contracted with axis j of b: one root, and a vector with a covector, degrees that cancel or a self-dual
/// factor; or fixed with fixed. Throws TypeError.
void require_contractible(std::string_view op, std::string_view a_name, const Type& a, int i, std::string_view b_name,
                          const Type& b, int j);

}  // namespace weft
