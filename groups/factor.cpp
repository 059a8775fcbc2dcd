#include "weft/groups/factor.h"

#include <fmt/format.h>

namespace weft {

const char* name(Kind kind) {
  switch (kind) {
    case Kind::fixed:
      return "fixed";
    case Kind::permutation:
      return "permutation";
    case Kind::positive_monomial:
      return "positive_monomial";
    case Kind::sign_monomial:
      return "sign_monomial";
    case Kind::GL:
      return "GL";
  }
  return "?";
}

std::string Factor::str() const {
  const std::string text = fmt::format("{}({})", weft::name(kind), size);
  return per.empty() ? text : text + " per " + per;
}

}  // namespace weft
