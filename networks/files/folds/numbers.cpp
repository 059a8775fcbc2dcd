#include "weft/networks/files/folds/numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "weft/core/error.h"
#include "weft/networks/files/folded_text.h"

namespace weft {
namespace {

std::int64_t product_of(const std::vector<std::int64_t>& sizes) {
  std::int64_t n = 1;
  for (const std::int64_t size : sizes) n *= size;
  return n;
}

/// What one step along each axis of `all` is in `block`. Axes of one place are told apart by nothing.
std::vector<std::int64_t> strides_in(const Block& block, const Block& all) {
  std::vector<std::int64_t> out(all.factors.size(), 0);
  std::int64_t stride = product_of(block.sizes);
  for (std::size_t k = 0; k < block.factors.size(); ++k) {
    stride /= block.sizes[k];
    if (block.sizes[k] == 1) continue;
    std::size_t at = all.factors.size();
    for (std::size_t j = 0; j < all.factors.size(); ++j) {
      if (all.factors[j] != block.factors[k] || all.sizes[j] != block.sizes[k]) continue;
      if (at < all.factors.size()) throw UsageError("[fold] two axes over one factor; allowed: one");
      at = j;
    }
    if (at == all.factors.size()) throw UsageError("[fold] tensors without a factor in common; see the text's folds");
    out[at] = stride;
  }
  return out;
}

/// Calls use(position, position in a, position in b) for all places, row by row.
template <class Use>
void each(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& a,
          const std::vector<std::int64_t>& b, const Use& use) {
  const std::int64_t all = product_of(sizes);
  std::vector<std::int64_t> index(sizes.size(), 0);
  std::int64_t in_a = 0, in_b = 0;
  for (std::int64_t at = 0; at < all; ++at) {
    use(at, in_a, in_b);
    for (std::size_t k = sizes.size(); k-- > 0;) {
      in_a += a[k];
      in_b += b[k];
      if (++index[k] < sizes[k]) break;
      in_a -= sizes[k] * a[k];
      in_b -= sizes[k] * b[k];
      index[k] = 0;
    }
  }
}

Block zeros(Block layout) {
  layout.numbers.assign(static_cast<std::size_t>(product_of(layout.sizes)), 0);
  return layout;
}

}  // namespace

bool Block::all(double value) const {
  return std::all_of(numbers.begin(), numbers.end(), [=](double x) { return x == value; });
}

std::vector<int> FoldedNumbers::named(const std::string& name) const {
  std::vector<int> out;
  for (std::size_t t = 0; t < files_.windows.size(); ++t) {
    const TensorText& text = files_.text.tensors[static_cast<std::size_t>(files_.windows[t].file)];
    if (text.name == name || files_.space.tensors()[t].name == space_name(name)) out.push_back(static_cast<int>(t));
  }
  return out;
}

int FoldedNumbers::one(const std::string& name) const {
  const std::vector<int> all = named(name);
  if (all.size() > 1) throw UsageError("[fold] '{}' is several tensors; name one of its parts", name);
  return all.empty() ? -1 : all[0];
}

int FoldedNumbers::bias_of(int weight) const {
  return files_.space.find_tensor(bias_name(files_.space.tensors()[static_cast<std::size_t>(weight)].name));
}

std::vector<AxisPlaces> FoldedNumbers::readers(int factor) const {
  std::vector<AxisPlaces> out;
  for (std::size_t t = 0; t < files_.windows.size(); ++t) {
    const SpaceTensor& tensor = files_.space.tensors()[t];
    for (std::size_t k = 0; k < tensor.axes.size(); ++k)
      for (const FactorDegree& c : files_.space.characters(tensor.axes[k]))
        if (c.factor == factor && c.degree == -1)
          out.push_back({static_cast<int>(t), static_cast<int>(k) + (tensor.taps() > 1)});
  }
  return out;
}

AxisPlaces FoldedNumbers::over(int tensor, int factor) const {
  const std::vector<int> all = layout(tensor).factors;
  const auto at = std::find(all.begin(), all.end(), factor);
  if (std::count(all.begin(), all.end(), factor) != 1)
    throw UsageError("[fold] tensor '{}' has not one axis over '{}'",
                     files_.space.tensors()[static_cast<std::size_t>(tensor)].name,
                     files_.space.factors()[static_cast<std::size_t>(factor)].name);
  return {tensor, static_cast<int>(at - all.begin())};
}

Block FoldedNumbers::layout(int tensor) const {
  const SpaceTensor& t = files_.space.tensors()[static_cast<std::size_t>(tensor)];
  Block out;
  if (t.taps() > 1) {
    out.factors.push_back(-1);
    out.sizes.push_back(t.taps());
  }
  for (const SpaceAxis& axis : t.axes) {
    out.factors.push_back(axis.factor);
    out.sizes.push_back(files_.space.factors()[static_cast<std::size_t>(axis.factor)].size);
  }
  return out;
}

Block FoldedNumbers::block(int tensor) const {
  Block out = layout(tensor);
  const Tensor& w = weights_[static_cast<std::size_t>(tensor)];
  with_float(w.dtype(), "fold", [&]<class T>(T) { out.numbers.assign(w.data<T>(), w.data<T>() + w.numel()); });
  return out;
}

void FoldedNumbers::fill(int tensor, double value) {
  const Tensor& w = weights_[static_cast<std::size_t>(tensor)];
  with_float(w.dtype(), "fold", [&]<class T>(T) { std::fill_n(w.data<T>(), w.numel(), static_cast<T>(value)); });
}

void FoldedNumbers::add(int tensor, const Block& block) {
  const Block all = layout(tensor);
  const Tensor& w = weights_[static_cast<std::size_t>(tensor)];
  const std::vector<std::int64_t> strides = strides_in(block, all);
  with_float(w.dtype(), "fold", [&]<class T>(T) {
    T* to = w.data<T>();
    each(all.sizes, strides, strides, [&](std::int64_t at, std::int64_t from, std::int64_t) {
      to[at] = static_cast<T>(static_cast<double>(to[at]) + block.numbers[static_cast<std::size_t>(from)]);
    });
  });
}

namespace {

/// The sums of a tensor's numbers times those of `read`, each where the strides say.
Block products(const Tensor& w, const Block& all, const Block& read, const std::vector<std::int64_t>& in_read,
               Block target, const std::vector<std::int64_t>& in_target) {
  target = zeros(std::move(target));
  with_float(w.dtype(), "fold", [&]<class T>(T) {
    const T* from = w.data<T>();
    each(all.sizes, in_read, in_target, [&](std::int64_t at, std::int64_t by, std::int64_t to) {
      target.numbers[static_cast<std::size_t>(to)] +=
          static_cast<double>(from[at]) * read.numbers[static_cast<std::size_t>(by)];
    });
  });
  return target;
}

/// Of no axis.
constexpr int no_factor = -2;

}  // namespace

Block FoldedNumbers::product(int weight, const Block& read, Block target) const {
  const Block all = layout(weight);
  const std::vector<std::int64_t> in_target = strides_in(target, all);
  return products(weights_[static_cast<std::size_t>(weight)], all, read, strides_in(read, all), std::move(target),
                  in_target);
}

Block FoldedNumbers::product(AxisPlaces axis, const Block& by, Block target) const {
  Block all = layout(axis.tensor);
  const auto own = static_cast<std::size_t>(axis.axis);
  std::vector<std::int64_t> in_by(all.sizes.size(), 0);
  in_by[own] = 1;
  all.factors[own] = no_factor;
  const std::vector<std::int64_t> in_target = strides_in(target, all);
  return products(weights_[static_cast<std::size_t>(axis.tensor)], all, by, in_by, std::move(target), in_target);
}

void FoldedNumbers::scale(AxisPlaces axis, const Block& by) {
  const Block all = layout(axis.tensor);
  std::vector<std::int64_t> strides(all.sizes.size(), 0);
  strides[static_cast<std::size_t>(axis.axis)] = 1;
  const Tensor& w = weights_[static_cast<std::size_t>(axis.tensor)];
  with_float(w.dtype(), "fold", [&]<class T>(T) {
    T* to = w.data<T>();
    each(all.sizes, strides, strides, [&](std::int64_t at, std::int64_t place, std::int64_t) {
      to[at] = static_cast<T>(static_cast<double>(to[at]) * by.numbers[static_cast<std::size_t>(place)]);
    });
  });
}

void FoldedNumbers::scale_rows(int tensor, const Block& by) {
  const Tensor& w = weights_[static_cast<std::size_t>(tensor)];
  const std::int64_t row = w.numel() / static_cast<std::int64_t>(by.numbers.size());
  with_float(w.dtype(), "fold", [&]<class T>(T) {
    T* to = w.data<T>();
    for (std::int64_t at = 0; at < w.numel(); ++at)
      to[at] = static_cast<T>(static_cast<double>(to[at]) * by.numbers[static_cast<std::size_t>(at / row)]);
  });
}

namespace {

/// One axis of a tensor, and what is beside it.
struct Beside {
  Block all, rest;  ///< layouts: of the tensor, and without the axis
  std::vector<std::int64_t> in_rest, place;

  Beside(Block layout, std::size_t axis) : all(std::move(layout)), rest(all), in_rest(all.sizes.size(), 0) {
    place = in_rest;
    place[axis] = 1;
    std::int64_t stride = 1;
    for (std::size_t k = all.sizes.size(); k-- > 0;) {
      if (k == axis) continue;
      in_rest[k] = stride;
      stride *= all.sizes[k];
    }
    rest.factors.erase(rest.factors.begin() + static_cast<std::ptrdiff_t>(axis));
    rest.sizes.erase(rest.sizes.begin() + static_cast<std::ptrdiff_t>(axis));
    rest = zeros(std::move(rest));
  }

  /// use(position, position in the rest, place on the axis)
  template <class Use>
  void each(const Use& use) const {
    weft::each(all.sizes, in_rest, place, use);
  }
};

}  // namespace

Block FoldedNumbers::sums(AxisPlaces axis, const Block& by) const {
  const Beside beside(layout(axis.tensor), static_cast<std::size_t>(axis.axis));
  Block out = beside.rest;
  const Tensor& w = weights_[static_cast<std::size_t>(axis.tensor)];
  with_float(w.dtype(), "fold", [&]<class T>(T) {
    beside.each([&, x = w.data<T>()](std::int64_t at, std::int64_t rest, std::int64_t place) {
      out.numbers[static_cast<std::size_t>(rest)] +=
          static_cast<double>(x[at]) * by.numbers[static_cast<std::size_t>(place)];
    });
  });
  return out;
}

void FoldedNumbers::add_along(AxisPlaces axis, const Block& rest, double times) {
  const Beside beside(layout(axis.tensor), static_cast<std::size_t>(axis.axis));
  const Tensor& w = weights_[static_cast<std::size_t>(axis.tensor)];
  with_float(w.dtype(), "fold", [&]<class T>(T) {
    beside.each([&, x = w.data<T>()](std::int64_t at, std::int64_t in_rest, std::int64_t) {
      x[at] = static_cast<T>(static_cast<double>(x[at]) + times * rest.numbers[static_cast<std::size_t>(in_rest)]);
    });
  });
}

Block FoldedNumbers::without_mean(AxisPlaces axis) {
  const auto own = static_cast<std::size_t>(axis.axis);
  const Beside beside(layout(axis.tensor), own);
  Block total = beside.rest, mean = total;
  const std::int64_t to = axis.to < 0 ? beside.all.sizes[own] : axis.to;
  if (axis.from < 0 || axis.from >= to || to > beside.all.sizes[own])
    throw UsageError("[fold] places {} to {} of an axis of {}", axis.from, to, beside.all.sizes[own]);
  const Tensor& w = weights_[static_cast<std::size_t>(axis.tensor)];
  with_float(w.dtype(), "fold", [&]<class T>(T) {
    T* x = w.data<T>();
    double largest = 0;
    for (std::int64_t i = 0; i < w.numel(); ++i) largest = std::max(largest, std::abs(static_cast<double>(x[i])));
    const double small = static_cast<double>(std::numeric_limits<T>::epsilon()) * largest;
    // What rounding leaves of a large mean is taken away too.
    for (int turn = 0; turn < 3; ++turn) {
      std::fill(mean.numbers.begin(), mean.numbers.end(), 0);
      beside.each([&](std::int64_t at, std::int64_t rest, std::int64_t place) {
        if (place >= axis.from && place < to)
          mean.numbers[static_cast<std::size_t>(rest)] += static_cast<double>(x[at]);
      });
      for (double& m : mean.numbers) {
        m /= static_cast<double>(to - axis.from);
        if (std::abs(m) <= small) m = 0;
      }
      if (mean.zero()) break;
      for (std::size_t i = 0; i < mean.numbers.size(); ++i) total.numbers[i] += mean.numbers[i];
      beside.each([&](std::int64_t at, std::int64_t rest, std::int64_t place) {
        if (place >= axis.from && place < to)
          x[at] = static_cast<T>(static_cast<double>(x[at]) - mean.numbers[static_cast<std::size_t>(rest)]);
      });
    }
  });
  return total;
}

}  // namespace weft
