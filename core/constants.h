#pragma once
// Numbers of mathematics. nvcc reads them.

namespace weft {

/// Of a full turn, in radians.
template <class T>
inline constexpr T two_pi = T(6.283185307179586476925);

}  // namespace weft
