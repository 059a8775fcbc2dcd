#include "weft/zoo/readable.h"

namespace weft {

std::function<bool(const ZooRow&)> readable_rows(const Zoo& zoo) {
  return [zoo](const ZooRow& row) { return !row.diverged && zoo.largest_weight(row.id) <= largest_weight; };
}

}  // namespace weft
