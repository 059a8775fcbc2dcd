#include "weft/core/backend.h"

namespace weft {

void Backend::lacks(const char* who) const {
  throw DeviceError("[{}] {} has no kernel for it in this build; allowed: the CPU", who, device().str());
}

}  // namespace weft
