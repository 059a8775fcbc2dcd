#include "weft/networks/siren/siren_population.h"

#include <algorithm>
#include <cmath>

#include "weft/core/isa.h"
#include "weft/networks/population/product_kernels.h"
#include "weft/networks/siren/siren_kernels.h"
#include "weft/nfn/models/rendering.h"

namespace weft {

WEFT_ISA_TABLE(SirenKernels, siren_kernels)
WEFT_ISA_TABLE(ProductKernels, product_kernels)

namespace {

/// Pixels that go through the network together, at most: their values, 8 KiB a layer, stay in the first two caches.
constexpr std::int64_t at_once = 64;
constexpr auto omega = static_cast<float>(siren_omega);

class Siren final : public NetworkDefinition {
 public:
  explicit Siren(const SirenShape& shape) : shape_(shape) {
    const std::int64_t widths[] = {2, shape.width, shape.width, shape.channels};
    space_ = mlp_space(widths, FactorKind::sign_monomial);
  }

  const Space& space() const override { return space_; }
  ArchitectureFacts facts() const override {
    return {"siren",
            "sin",
            {{"omega", fmt::format("{}", siren_omega)},
             {"width", std::to_string(shape_.width)},
             {"start", shape_.shared_start ? "shared" : "random"}}};
  }
  std::int64_t outputs() const override { return shape_.channels; }
  ItemFormat items() const override {
    return {.shape = {shape_.channels, shape_.rows, shape_.columns}, .views = shape_.views};
  }
  Var forward(std::span<const Var> weights, const Var& places, const SiteDropout&) const override {
    const std::int64_t B = places.shape()[0], n = places.shape()[1];
    const Var y = mlp_forward(weights, reshape(places, {B, 1, n, 2}), UnaryOp::Sin, siren_omega);
    return reshape(y, {B, n, shape_.channels});
  }

 private:
  SirenShape shape_;
  Space space_;
};

const SirenShape& checked(const SirenShape& s) {
  for (const std::int64_t size : {s.channels, s.rows, s.columns, s.width, s.views})
    if (size < 1)
      throw UsageError("[siren] images {}x{}x{}, width {}, {} views; allowed: 1 or more of each", s.channels, s.rows,
                       s.columns, s.width, s.views);
  if (s.shared_start && s.views > 1)
    throw UsageError("[siren] {} views of one start would be one network; allowed: 1 view, or random starts", s.views);
  return s;
}

float* numbers(Arena& arena, std::int64_t n) { return arena.allocate_array<float>(static_cast<std::size_t>(n)); }
float* zeros(Arena& arena, std::int64_t n) {
  float* p = numbers(arena, n);
  std::fill_n(p, n, 0.f);
  return p;
}

/// f(first, count) for groups of nearly equal size.
template <class F>
void each_group(std::int64_t items, const F& f) {
  const std::int64_t groups = (items + at_once - 1) / at_once;
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t first = items * g / groups;
    f(first, items * (g + 1) / groups - first);
  }
}

/// to[j stride + i] = factor from[i n + j] for i < m, j < n.
void transposed(const float* from, std::int64_t m, std::int64_t n, float factor, float* to, std::int64_t stride) {
  for (std::int64_t j = 0; j < n; ++j)
    for (std::int64_t i = 0; i < m; ++i) to[j * stride + i] = factor * from[i * n + j];
}

}  // namespace

std::shared_ptr<const NetworkDefinition> siren_definition(const SirenShape& shape) {
  return std::make_shared<Siren>(checked(shape));
}

SirenPopulation::SirenPopulation(const SirenShape& shape)
    : DefinedPopulation(siren_definition(shape)),
      shape_(shape),
      width_((shape.width + channel_lanes - 1) / channel_lanes * channel_lanes),
      places_(pixel_places(shape.rows, shape.columns)) {}

double SirenPopulation::forward_flops() const {
  const auto W = static_cast<double>(shape_.width);
  return 2 * W * (2 + W + static_cast<double>(shape_.channels));
}

double SirenPopulation::training_flops() const { return 3 * forward_flops() - 4 * static_cast<double>(shape_.width); }

void SirenPopulation::draw_start(std::size_t tensor, const TrainingRecipe&, RandomKey key, std::int64_t network,
                                 const Tensor& to) const {
  const double fan_in = tensor < 2 ? 2 : static_cast<double>(shape_.width);
  const bool bias = tensor % 2 == 1;
  const double reach = bias ? 1 / std::sqrt(fan_in) : tensor == 0 ? 1 / fan_in : std::sqrt(6 / fan_in) / siren_omega;
  const RandomKey own = shape_.shared_start ? key.at("shared") : key.at(static_cast<std::uint64_t>(network));
  fill_uniform(to, own.at(space().tensors()[tensor].name), -reach, reach);
}

/// Memory of one call, from the arena. Maps are kept as products read them, [in, out] with padded rows; those in front
/// of sines times ω, so that what they give are phases.
struct SirenPopulation::Scratch {
  const SirenKernels& kernels;
  const ProductKernels& products;
  float *w1, *b1, *w2, *b2, *w3, *b3;  // w1 [2, width], w2 [width, width], w3 [channels, width]
  float *places, *target, *error;      // of the pixels of a group
  float *a1, *d1, *a2, *d2;            // sines and their slopes, [at_once, width]
  // Training. w2_back: [out, in]. Gradients, summed over groups: gw2 [out, in], others as the maps are kept.
  float *w2_back = nullptr, *g1 = nullptr, *g2 = nullptr, *gw1 = nullptr, *gb1 = nullptr, *gw2 = nullptr,
        *gb2 = nullptr, *gw3 = nullptr, *gb3 = nullptr;
};

SirenPopulation::Scratch SirenPopulation::make_scratch(NetworkWeights weights, bool training, Arena& arena) const {
  const std::int64_t W = shape_.width, c = shape_.channels, values = at_once * width_;
  Scratch s{.kernels = WEFT_FOR_ISA(siren_kernels),
            .products = WEFT_FOR_ISA(product_kernels),
            .w1 = zeros(arena, 2 * width_),
            .b1 = zeros(arena, width_),
            .w2 = zeros(arena, W * width_),
            .b2 = zeros(arena, width_),
            .w3 = zeros(arena, c * width_),
            .b3 = zeros(arena, c),
            .places = numbers(arena, 2 * at_once),
            .target = numbers(arena, c * at_once),
            .error = numbers(arena, c * at_once),
            .a1 = numbers(arena, values),
            .d1 = numbers(arena, values),
            .a2 = numbers(arena, values),
            .d2 = numbers(arena, values)};
  transposed(weights[0], W, 2, omega, s.w1, width_);
  transposed(weights[2], W, W, omega, s.w2, width_);
  for (std::int64_t k = 0; k < c; ++k) std::copy_n(weights[4] + k * W, W, s.w3 + k * width_);
  for (std::int64_t i = 0; i < W; ++i) {
    s.b1[i] = omega * weights[1][i];
    s.b2[i] = omega * weights[3][i];
  }
  std::copy_n(weights[5], c, s.b3);
  if (!training) return s;
  s.w2_back = zeros(arena, W * width_);
  for (std::int64_t i = 0; i < W; ++i)
    for (std::int64_t j = 0; j < W; ++j) s.w2_back[i * width_ + j] = omega * weights[2][i * W + j];
  s.g1 = numbers(arena, values);
  s.g2 = numbers(arena, values);
  s.gw1 = zeros(arena, 2 * width_);
  s.gb1 = zeros(arena, width_);
  s.gw2 = zeros(arena, W * width_);
  s.gb2 = zeros(arena, width_);
  s.gw3 = zeros(arena, c * width_);
  s.gb3 = zeros(arena, c);
  return s;
}

/// y = x w (+ bias) from neurons to neurons.
void SirenPopulation::map(const Scratch& s, std::int64_t rows, const float* x, const float* w, const float* bias,
                          float* y) const {
  s.products.product({.rows = rows,
                      .depth = shape_.width,
                      .width = width_,
                      .x = x,
                      .x_stride = width_,
                      .w = w,
                      .w_stride = width_,
                      .bias = bias,
                      .y = y,
                      .y_stride = width_});
}

/// The sum of the squared errors of some pixels.
double SirenPopulation::forward(const Scratch& s, const MiniBatch& batch, std::int64_t first,
                                std::int64_t count) const {
  const std::int64_t c = shape_.channels, pixels = shape_.rows * shape_.columns;
  const float* image = batch.data.images.data<float>() + batch.image * c * pixels;
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t pixel = batch.items[static_cast<std::size_t>(first + r)];
    std::copy_n(places_.data<float>() + 2 * pixel, 2, s.places + 2 * r);
    for (std::int64_t k = 0; k < c; ++k) s.target[r * c + k] = image[k * pixels + pixel];
  }
  s.kernels.first({.rows = count, .width = width_, .places = s.places, .w = s.w1, .b = s.b1, .a = s.a1, .d = s.d1});
  map(s, count, s.a1, s.w2, s.b2, s.a2);
  s.kernels.sines(s.a2, s.d2, count * width_);
  return static_cast<double>(s.kernels.last({.rows = count,
                                             .width = width_,
                                             .channels = c,
                                             .a = s.a2,
                                             .w = s.w3,
                                             .b = s.b3,
                                             .target = s.target,
                                             .error = s.error}));
}

void SirenPopulation::backward(const Scratch& s, std::int64_t count) const {
  const std::int64_t W = shape_.width, c = shape_.channels;
  s.kernels.last_vjp({.rows = count,
                      .width = width_,
                      .channels = c,
                      .a = s.a2,
                      .d = s.d2,
                      .w = s.w3,
                      .error = s.error,
                      .gz = s.g2,
                      .gw = s.gw3,
                      .gb = s.gb2});
  for (std::int64_t r = 0; r < count; ++r)
    for (std::int64_t k = 0; k < c; ++k) s.gb3[k] += s.error[r * c + k];
  s.products.gradient({.rows = count,
                       .depth = W,
                       .width = width_,
                       .x = s.g2,
                       .x_stride = width_,
                       .y = s.a1,
                       .y_stride = width_,
                       .g = s.gw2,
                       .g_stride = width_,
                       .add = true});
  map(s, count, s.g2, s.w2_back, nullptr, s.g1);
  s.kernels.first_vjp(
      {.rows = count, .width = width_, .g = s.g1, .d = s.d1, .places = s.places, .gw = s.gw1, .gb = s.gb1});
}

/// Sums over pixels become the gradient of the mean squared error.
void SirenPopulation::write_gradient(const Scratch& s, double share, NetworkGradient gradient) const {
  const std::int64_t W = shape_.width, c = shape_.channels;
  const auto scale = static_cast<float>(2 * share), of_phase = omega * scale;
  for (std::int64_t j = 0; j < W; ++j) {
    for (std::int64_t k = 0; k < 2; ++k) gradient[0][2 * j + k] = of_phase * s.gw1[k * width_ + j];
    gradient[1][j] = of_phase * s.gb1[j];
    for (std::int64_t i = 0; i < W; ++i) gradient[2][j * W + i] = of_phase * s.gw2[j * width_ + i];
    gradient[3][j] = of_phase * s.gb2[j];
    for (std::int64_t k = 0; k < c; ++k) gradient[4][k * W + j] = scale * s.gw3[k * width_ + j];
  }
  for (std::int64_t k = 0; k < c; ++k) gradient[5][k] = scale * s.gb3[k];
}

double SirenPopulation::loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout&,
                                          NetworkGradient gradient, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  const Scratch s = make_scratch(weights, true, arena);
  const auto items = static_cast<std::int64_t>(batch.items.size());
  double sum = 0;
  each_group(items, [&](std::int64_t first, std::int64_t count) {
    sum += forward(s, batch, first, count);
    backward(s, count);
  });
  const double share = 1 / static_cast<double>(items * shape_.channels);
  write_gradient(s, share, gradient);
  arena.rewind(mark);
  return sum * share;
}

Score SirenPopulation::evaluate(NetworkWeights weights, const MiniBatch& batch, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  const Scratch s = make_scratch(weights, false, arena);
  const auto items = static_cast<std::int64_t>(batch.items.size());
  double sum = 0;
  each_group(items, [&](std::int64_t first, std::int64_t count) { sum += forward(s, batch, first, count); });
  arena.rewind(mark);
  return {sum / static_cast<double>(items * shape_.channels), NAN};
}

}  // namespace weft
