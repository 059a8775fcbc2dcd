#include "weft/core/loop.h"
#include "weft/groups/rules.h"
#include "weft/ops/view.h"
#include "weft/ops/view_bodies.h"

namespace weft {
namespace {

/// inside(offset in the image, offset in its patches) for every tap inside the image, outside(offset) for the others.
template <class Inside, class Outside>
void each_tap(const PatchLayout& p, const Inside& inside, const Outside& outside) {
  std::int64_t to = 0;
  for (std::int64_t r = 0; r < p.out_rows; ++r)
    for (std::int64_t c = 0; c < p.out_columns; ++c)
      for (std::int64_t channel = 0; channel < p.C; ++channel)
        for (std::int64_t i = 0; i < p.rows; ++i)
          for (std::int64_t j = 0; j < p.columns; ++j, ++to) {
            const std::int64_t y = r * p.stride + i - p.padding, x = c * p.stride + j - p.padding;
            if (y >= 0 && y < p.H && x >= 0 && x < p.W)
              inside((channel * p.H + y) * p.W + x, to);
            else
              outside(to);
          }
}

std::int64_t image_size(const PatchLayout& p) { return p.C * p.H * p.W; }
std::int64_t patches_size(const PatchLayout& p) { return p.out_rows * p.out_columns * p.C * p.rows * p.columns; }

template <class T>
void take_patches(Backend* device, std::int64_t images, const Patches<T>& body) {
  const std::int64_t image = image_size(body.layout), patches = patches_size(body.layout);
  if (device) return loop(device, images * patches, 1, body);
  parallel_blocks(images, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const T* in = body.x + n * image;
      T* out = body.y + n * patches;
      each_tap(
          body.layout, [=](std::int64_t from, std::int64_t to) { out[to] = in[from]; },
          [=](std::int64_t to) { out[to] = 0; });
    }
  });
}

template <class T>
void add_patches(Backend* device, std::int64_t images, const PatchesVjp<T>& body) {
  const std::int64_t image = image_size(body.layout), patches = patches_size(body.layout);
  if (device) return loop(device, images * image, 1, body);
  parallel_blocks(images, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      T* out = body.gx + n * image;
      const T* gy = body.gy + n * patches;
      if (!body.accumulate)
        for (std::int64_t i = 0; i < image; ++i) out[i] = 0;
      each_tap(
          body.layout, [=](std::int64_t from, std::int64_t to) { out[from] += gy[to]; }, [](std::int64_t) {});
    }
  });
}

}  // namespace

Var patches(const Var& x, const PatchShape& p) {
  const Shape& s = x.shape();
  if (s.rank() != 4) throw ShapeError("[patches] shape {}; allowed: [N, C, H, W]", s.str());
  if (!x.type().plain()) require(Action::select, "patches", x.name(), x.type());
  if (p.stride < 1 || p.padding < 0 || s[2] + 2 * p.padding < p.rows || s[3] + 2 * p.padding < p.columns)
    throw ShapeError("[patches] {}x{} taps, stride {}, padding {} on images of {}x{}", p.rows, p.columns, p.stride,
                     p.padding, s[2], s[3]);
  const PatchLayout layout{s[1],
                           s[2],
                           s[3],
                           (s[2] + 2 * p.padding - p.rows) / p.stride + 1,
                           (s[3] + 2 * p.padding - p.columns) / p.stride + 1,
                           p.rows,
                           p.columns,
                           p.stride,
                           p.padding};
  const std::int64_t images = s[0];
  const Tensor y = x.tape().empty({images, layout.out_rows * layout.out_columns, s[1] * p.rows * p.columns}, x.dtype());
  with_float(x.dtype(), "patches", [&](auto t) {
    using T = decltype(t);
    take_patches<T>(y.backend(), images, {layout, x.value().address<T>(), y.address<T>()});
  });
  return x.tape().record("patches", y, Type::plain(3), {x}, [layout, images](Backward& b) {
    const GradSlot g = b.grad(0);
    with_float(g.tensor.dtype(), "patches", [&](auto t) {
      using T = decltype(t);
      add_patches<T>(g.tensor.backend(), images,
                     {layout, b.cotangent().address<T>(), g.tensor.address<T>(), g.beta != 0});
    });
  });
}

}  // namespace weft
