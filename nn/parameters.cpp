#include "weft/nn/parameters.h"

#include <algorithm>
#include <cmath>

namespace weft {

Init Init::xavier_normal(double fan_in, double fan_out) { return normal(std::sqrt(2 / (fan_in + fan_out))); }
Init Init::fan_in_uniform(double fan_in) { return uniform(fan_in > 0 ? 1 / std::sqrt(fan_in) : 0); }

int Parameters::add(std::string name, const Shape& shape, Init init, bool trainable) {
  if (values_.defined()) throw UsageError("[parameters] '{}' added after allocate()", name);
  for (const Item& other : items_)
    if (other.name == name) throw UsageError("[parameters] '{}' exists already", name);
  items_.push_back({std::move(name), shape, init, trainable, {}, {}});
  return count() - 1;
}

void Parameters::allocate(DType dtype, Key key) {
  const auto line = static_cast<std::int64_t>(Arena::alignment / size_of(dtype));
  auto padded = [&](const Item& item) { return (item.shape.numel() + line - 1) / line * line; };
  std::int64_t size[2] = {0, 0};
  for (const Item& item : items_) size[item.trainable] += padded(item);
  values_ = Tensor::zeros({size[1]}, dtype);
  grads_ = Tensor::zeros({size[1]}, dtype);
  frozen_ = Tensor::zeros({size[0]}, dtype);
  std::int64_t at[2] = {0, 0};
  for (Item& item : items_) {
    std::int64_t& begin = at[item.trainable];
    const std::int64_t n = item.shape.numel();
    item.value = (item.trainable ? values_ : frozen_).slice(begin, begin + n).reshape(item.shape);
    if (item.trainable) item.grad = grads_.slice(begin, begin + n).reshape(item.shape);
    begin += padded(item);
    switch (item.init.kind) {
      case Init::Kind::constant:
        item.value.fill(item.init.scale);
        break;
      case Init::Kind::normal:
        fill_normal(item.value, key.at(item.name), 0, item.init.scale);
        break;
      case Init::Kind::uniform:
        fill_uniform(item.value, key.at(item.name), -item.init.scale, item.init.scale);
        break;
    }
  }
}

int Parameters::find(std::string_view name) const {
  for (int i = 0; i < count(); ++i)
    if (item(i).name == name) return i;
  throw UsageError("[parameters] no parameter '{}'", name);
}

std::int64_t Parameters::trained_numbers() const {
  std::int64_t n = 0;
  for (const Item& item : items_)
    if (item.trainable) n += item.shape.numel();
  return n;
}

Var Parameters::on(Tape& tape, int i) const {
  const Item& p = item(i);
  const Type type = Type::plain(p.shape.rank());
  return p.trainable ? tape.parameter(p.value, p.grad, &version_, type, p.name) : tape.constant(p.value, type, p.name);
}

}  // namespace weft
