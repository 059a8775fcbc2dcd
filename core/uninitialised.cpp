#include "weft/core/uninitialised.h"

#include <algorithm>
#include <cstdint>

#include <sys/mman.h>

#include "weft/core/memory.h"

namespace weft {
namespace {

/// The system is asked for large pages, of which it prepares fewer: new memory takes most of a large file's reading.
/// Where it has none, nothing is lost.
void want_large_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr std::size_t page = std::size_t{2} << 20;
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::size_t before = (page - begin % page) % page;
  if (bytes >= before + page)
    ::madvise(static_cast<std::byte*>(memory) + before, (bytes - before) / page * page, MADV_HUGEPAGE);
#endif
}

}  // namespace

Tensor uninitialised(const Shape& shape, DType dtype) {
  const auto bytes = std::max<std::size_t>(static_cast<std::size_t>(shape.numel()) * size_of(dtype), 1);
  const std::shared_ptr<void> memory(host_memory().allocate(bytes),
                                     [bytes](void* p) { host_memory().release(p, bytes); });
  want_large_pages(memory.get(), bytes);
  return Tensor::view_of(memory.get(), shape, dtype, memory);
}

}  // namespace weft
