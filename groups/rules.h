#pragma once
// What an operation may do to an axis: one table, action x kind of the factor, with reasons (spec 1.5).

#include <string>
#include <string_view>

#include "weft/groups/type.h"

namespace weft {

enum class Action : std::uint8_t {
  reduce,                 ///< sum or mean over the axis
  broadcast,              ///< repeat along the axis
  mix,                    ///< mul of two features, exp, log, softmax, gelu, sigmoid; norms over an axis
  select,                 ///< slice, gather, concat along the axis
  absolute,               ///< abs: signs become permutations
  normalise,              ///< division by the L2 norm over channels and taps: positive scales become permutations
  scale,                  ///< by a constant; dropout of whole channels
  pointwise_any,          ///< a nonlinearity that is neither odd nor homogeneous
  pointwise_odd,          ///< f(-x) = -f(x)
  pointwise_homogeneous,  ///< f(sx) = s f(x) for s > 0
  channel_mix,            ///< axis-free linear map
  add_constant,           ///< bias
};

/// The reason why `action` is refused on an axis of this kind, with what to do instead; empty when it is allowed.
std::string_view refusal(Action action, Kind kind);

/// Throws TypeError "[op] tensor 'W2', axis 0 'h2' (positive_monomial(32)): reason" when the table refuses axis `axis`
/// of `type`. `op` stands in for {op} in the reason.
void require(Action action, std::string_view op, std::string_view tensor, const Type& type, int axis);
/// For every axis.
void require(Action action, std::string_view op, std::string_view tensor, const Type& type);

/// The location prefix of such a message: "[op] tensor 'W2', axis 0 'h2*' (positive_monomial(32))".
std::string at_axis(std::string_view op, std::string_view tensor, const Type& type, int axis);

/// Equal types, roles identified for orthogonal factors; throws TypeError (add, concat). For a pair that is each
/// other's dual over a factor that is not orthogonal it explains that a gradient is no weight and that no metric is
/// invariant.
void require_equal(std::string_view op, std::string_view a_name, const Type& a, std::string_view b_name, const Type& b);

/// Axis i of a contracted with axis j of b: same factor with opposite roles, or an orthogonal factor, or fixed with
/// fixed. Throws TypeError.
void require_contractible(std::string_view op, std::string_view a_name, const Type& a, int i, std::string_view b_name,
                          const Type& b, int j);

}  // namespace weft
