#pragma once
// Group factors: the pieces of which a weight space's symmetry group is made (spec 1.5, 8.1). A factor's identity is
// its name.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weft/groups/kind.h"

namespace weft {

/// How an axis transforms: by g (rows of W under its layer's g) or by g^{-T} (columns), written `h` and `h*`.
enum class AxisRole : std::uint8_t { vector, covector };

constexpr AxisRole dual(AxisRole role) { return role == AxisRole::vector ? AxisRole::covector : AxisRole::vector; }

/// Of a factor: the positions along its axis are 32-bit numbers.
inline constexpr std::int64_t max_factor_size = INT32_MAX;

struct Factor {
  std::string name;
  FactorKind kind = FactorKind::fixed;
  std::int64_t size = 0;
  std::string per = {};    ///< name of the factor (heads, experts) that carries one copy each; empty for none
  std::string along = {};  ///< name of the factor whose places this one scales, having no order of its own; or empty

  /// "positive_monomial(32)", "GL(16) per h", "monomial(8) along s"
  std::string str() const;
  bool operator==(const Factor&) const = default;
};

/// Position by name, or -1.
int position_of(const std::vector<Factor>& factors, std::string_view name);
/// Position of the factor, which is put behind the others if its name is new; -1 where the name is another factor's.
int take_up(std::vector<Factor>& factors, const Factor& factor);
/// The factor of an axis that is written as a number of places: "fixed.4".
Factor fixed_places(std::int64_t size);

/// Of products: beyond it scales leave the range of numbers anyway.
inline constexpr int max_power = 1000;

/// By which power of its scales a factor acts on an axis. Of a space's axis the factor is a position in
/// Space::factors(), of a term's in TermList::factors().
struct FactorDegree {
  int factor = -1;
  int degree = 1;
  bool operator==(const FactorDegree&) const = default;
};

/// "h", "h*", "h^2"
std::string with_degree(const std::string& name, int degree);

}  // namespace weft
