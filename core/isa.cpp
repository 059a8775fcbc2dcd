#include "weft/core/isa.h"

#include <cstdlib>
#include <string_view>

#include "weft/core/error.h"

namespace weft {
namespace {

Isa best() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::portable;
}

Isa parse(std::string_view text) {
  for (Isa level : {Isa::portable, Isa::avx2, Isa::avx512})
    if (text == name(level)) return level;
  throw UsageError("[isa] WEFT_CPU is '{}'; allowed: portable, avx2, avx512", text);
}

Isa checked(Isa level) {
  if (level > best())
    throw UsageError("[isa] {} asked for, but this CPU supports {} at most", name(level), name(best()));
  return level;
}

Isa& current() {
  static Isa level = [] {
    const char* asked = std::getenv("WEFT_CPU");
    return asked ? checked(parse(asked)) : best();
  }();
  return level;
}

}  // namespace

Isa isa() { return current(); }

void set_isa(Isa level) { current() = checked(level); }

const char* name(Isa level) {
  switch (level) {
    case Isa::portable:
      return "portable";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "?";
}

}  // namespace weft
