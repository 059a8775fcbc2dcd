#pragma once
// Walking over the instruction sets of this CPU.

#include <vector>

#include "weft/core/error.h"
#include "weft/core/isa.h"

namespace weft::testing {

/// Forces one while it lives.
class WithIsa {
 public:
  explicit WithIsa(Isa level) : before_(isa()) { set_isa(level); }
  ~WithIsa() { set_isa(before_); }
  WithIsa(const WithIsa&) = delete;
  WithIsa& operator=(const WithIsa&) = delete;

 private:
  Isa before_;
};

/// Those that this CPU has, the portable one first.
inline std::vector<Isa> isa_levels() {
  std::vector<Isa> all;
  for (const Isa level : {Isa::portable, Isa::avx2, Isa::avx512}) try {
      const WithIsa forced(level);
      all.push_back(level);
    } catch (const UsageError&) {
      // This CPU lacks it.
    }
  return all;
}

}  // namespace weft::testing
