#pragma once
// Run-time choice of the CPU kernels. A kernel file is compiled once per level, each time with WEFT_ISA naming the
// namespace that its loops and functors live in, so that no inline function compiled for AVX-512 can ever replace a
// portable one.

namespace weft {

enum class Isa { portable, avx2, avx512 };

/// The best level that this CPU supports, or the lower one that WEFT_CPU (portable | avx2 | avx512) or set_isa asked
/// for.
Isa isa();

/// Forces a level, for tests. Throws UsageError when the CPU lacks it.
void set_isa(Isa level);

const char* name(Isa level);

/// Picks the entry for isa() from one table per level.
template <class Table>
const Table& for_isa(const Table& portable, const Table& avx2, const Table& avx512) {
  switch (isa()) {
    case Isa::avx512:
      return avx512;
    case Isa::avx2:
      return avx2;
    case Isa::portable:
      break;
  }
  return portable;
}

}  // namespace weft

// A table `name` of type Type in every level's namespace, and the choice among them. For portable code, whose own
// namespace is the inline one.
#if defined(__x86_64__)
#define WEFT_ISA_TABLE(Type, name) \
  inline namespace portable {      \
  extern const Type name;          \
  }                                \
  namespace avx2 {                 \
  extern const Type name;          \
  }                                \
  namespace avx512 {               \
  extern const Type name;          \
  }
#define WEFT_FOR_ISA(name) ::weft::for_isa(::weft::portable::name, ::weft::avx2::name, ::weft::avx512::name)
#else
#define WEFT_ISA_TABLE(Type, name) \
  inline namespace portable {      \
  extern const Type name;          \
  }
#define WEFT_FOR_ISA(name) ::weft::portable::name
#endif
