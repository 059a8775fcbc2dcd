#include "weft/groups/factor.h"

#include <fmt/format.h>

namespace weft {

std::string Factor::str() const {
  std::string text = fmt::format("{}({})", kind->name, size);
  if (!per.empty()) text += " per " + per;
  if (!along.empty()) text += " along " + along;
  return text;
}

std::string with_degree(const std::string& name, int degree) {
  return degree == 1 ? name : degree == -1 ? name + "*" : fmt::format("{}^{}", name, degree);
}

}  // namespace weft
