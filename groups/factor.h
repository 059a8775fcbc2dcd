#pragma once
// Group factors: the pieces of which a weight space's symmetry group is made (spec 1.5). A factor's identity is its
// name.

#include <cstdint>
#include <string>

namespace weft {

enum class Kind : std::uint8_t { fixed, permutation, positive_monomial, sign_monomial, GL };

/// "positive_monomial"
const char* name(Kind kind);
inline constexpr Kind all_kinds[] = {Kind::fixed, Kind::permutation, Kind::positive_monomial, Kind::sign_monomial,
                                     Kind::GL};

/// Orthogonal factors obey g^{-T} = g: vector and covector axes are the same for them.
constexpr bool orthogonal(Kind kind) {
  return kind == Kind::fixed || kind == Kind::permutation || kind == Kind::sign_monomial;
}

/// How an axis transforms: by g (rows of W under its layer's g) or by g^{-T} (columns), written `h` and `h*`.
enum class Role : std::uint8_t { vector, covector };

constexpr Role dual(Role role) { return role == Role::vector ? Role::covector : Role::vector; }

/// Of a factor: the positions along its axis are 32-bit numbers.
inline constexpr std::int64_t max_factor_size = INT32_MAX;

struct Factor {
  std::string name;
  Kind kind = Kind::fixed;
  std::int64_t size = 0;
  std::string per;  ///< name of the permutation factor (heads, experts) that carries one copy each; empty for none

  /// "positive_monomial(32)", "GL(16) per h"
  std::string str() const;
  bool operator==(const Factor&) const = default;
};

}  // namespace weft
