#include "weft/nn/parameters.h"

#include <algorithm>
#include <cmath>

namespace weft {

Init Init::xavier_normal(double fan_in, double fan_out) { return normal(std::sqrt(2 / (fan_in + fan_out))); }
Init Init::fan_in_uniform(double fan_in) { return uniform(fan_in > 0 ? 1 / std::sqrt(fan_in) : 0); }

namespace {

/// A device's logarithms and sines may err otherwise than the CPU's, where every start is drawn.
void draw(const Init& init, RandomKey key, const Tensor& value) {
  const Tensor here = value.backend() ? Tensor::zeros(value.shape(), value.dtype()) : value;
  switch (init.kind) {
    case Init::Kind::constant:
      here.fill(init.scale);
      break;
    case Init::Kind::normal:
      fill_normal(here, key, 0, init.scale);
      break;
    case Init::Kind::uniform:
      fill_uniform(here, key, -init.scale, init.scale);
      break;
  }
  if (value.backend()) value.copy_from(here);
}

void check_available(std::string_view name, const ParameterGradient& gradient) {
  if (!gradient.available())
    throw UsageError("[parameters] '{}' has no gradient now; allowed: after backward(), before the tape's reset()",
                     name);
}

}  // namespace

int Parameters::add(std::string name, const Shape& shape, Init init, bool trainable, GradientForm form) {
  if (values_.defined()) throw UsageError("[parameters] '{}' added after allocate()", name);
  for (const Item& other : items_)
    if (other.name == name) throw UsageError("[parameters] '{}' exists already", name);
  items_.push_back({std::move(name), shape, init, trainable, form, {}, nullptr, 0});
  return count() - 1;
}

void Parameters::allocate(DType dtype, RandomKey key, Backend* backend) {
  const auto line = static_cast<std::int64_t>(Arena::alignment / size_of(dtype));
  auto padded = [&](const Item& item) { return (item.shape.numel() + line - 1) / line * line; };
  enum Part { frozen, whole, outer };
  auto part = [](const Item& item) {
    return !item.trainable ? frozen : item.form == GradientForm::outer ? outer : whole;
  };
  std::int64_t size[3] = {0, 0, 0};
  for (const Item& item : items_)
    if ((size[part(item)] += padded(item)) > max_numel)
      throw ShapeError("[parameters] with '{}' they are 2^60 numbers or more; take fewer channels", item.name);
  values_ = Tensor::zeros({size[whole] + size[outer]}, dtype, backend);
  grads_ = Tensor::zeros({size[whole] + (backend ? size[outer] : 0)}, dtype, backend);
  frozen_ = Tensor::zeros({size[frozen]}, dtype, backend);
  std::int64_t at[3] = {0, 0, size[whole]};
  for (Item& item : items_) {
    std::int64_t& begin = at[part(item)];
    const std::int64_t n = item.shape.numel();
    item.offset = begin;
    item.value = (item.trainable ? values_ : frozen_).slice(begin, begin + n).reshape(item.shape);
    if (part(item) == outer && !backend)
      item.gradient = std::make_shared<ParameterGradient>(passes_);
    else if (item.trainable)
      item.gradient = std::make_shared<ParameterGradient>(grads_.slice(begin, begin + n).reshape(item.shape), passes_);
    begin += padded(item);
    draw(item.init, key.at(item.name), item.value);
  }
}

int Parameters::find(std::string_view name) const {
  for (int i = 0; i < count(); ++i)
    if (item(i).name == name) return i;
  throw UsageError("[parameters] no parameter '{}'", name);
}

const Parameters::Item& Parameters::with_memory(int i) const {
  if (!item(i).value.defined())
    throw UsageError("[parameters] '{}' has no memory yet; init() the model once all are declared", item(i).name);
  return item(i);
}

Tensor Parameters::grad(int i) const {
  const Item& p = with_memory(i);
  if (!p.gradient) return {};
  check_available(p.name, *p.gradient);
  ParameterGradient& g = *p.gradient;
  if (g.factored && !g.formed) {
    if (!g.whole.defined()) g.whole = Tensor::zeros(p.shape, p.value.dtype());
    form_all(g.factors, g.whole);
  }
  return g.whole;
}

Tensor Parameters::all_grads() const {
  for (int i = 0; i < count(); ++i)
    if (with_memory(i).gradient) check_available(name(i), *item(i).gradient);
  if (!gathered_ || gathered_.use_count() > 1)
    gathered_ = std::make_shared<const Tensor>(Tensor::zeros(values_.shape(), values_.dtype(), values_.backend()));
  const Tensor all = Tensor::view_of(gathered_->raw(), values_.shape(), values_.dtype(), gathered_, values_.backend());
  all.slice(0, grads_.numel()).copy_from(grads_);
  for (const Item& p : items_) {
    if (!p.gradient || !p.gradient->factored) continue;
    const Tensor own = all.slice(p.offset, p.offset + p.shape.numel()).reshape(p.shape);
    if (p.gradient->formed)
      own.copy_from(p.gradient->whole);
    else
      form_all(p.gradient->factors, own);
  }
  return all;
}

Tensor Parameters::take_grads() {
  const bool whole = std::ranges::none_of(items_, [](const Item& p) { return p.gradient && p.gradient->factored; });
  if (!whole || backend()) {
    const Tensor all = all_grads();
    used_gradients();
    return all;
  }
  for (int i = 0; i < count(); ++i)
    if (with_memory(i).gradient) check_available(name(i), *item(i).gradient);
  const Tensor next = taken_ && taken_.use_count() == 1 ? *taken_ : Tensor::zeros(grads_.shape(), grads_.dtype());
  taken_ = std::make_shared<const Tensor>(grads_);
  grads_ = next;
  for (const Item& p : items_)
    if (p.gradient) p.gradient->whole = grads_.slice(p.offset, p.offset + p.shape.numel()).reshape(p.shape);
  used_gradients();
  return Tensor::view_of(taken_->raw(), taken_->shape(), taken_->dtype(), taken_);
}

void Parameters::gradients_given() {
  for (const Item& item : items_)
    if (item.gradient && item.gradient->factored)
      throw UsageError("[parameters] '{}' keeps its gradient as outer products, which only a tape gives", item.name);
  // No pass of a tape has this name.
  *passes_ = {.current = UINT64_MAX};
  for (const Item& item : items_)
    if (item.gradient) item.gradient->pass = passes_->current;
}

std::int64_t Parameters::trained_numbers() const {
  std::int64_t n = 0;
  for (const Item& item : items_)
    if (item.trainable) n += item.shape.numel();
  return n;
}

Var Parameters::on(Tape& tape, int i) const {
  if (i < 0 || i >= count()) throw UsageError("[parameters] number {}; allowed: those of {} parameters", i, count());
  const Item& p = with_memory(i);
  const Type type = Type::plain(p.shape.rank());
  return p.gradient ? tape.parameter(p.value, p.gradient, type, p.name) : tape.constant(p.value, type, p.name);
}

}  // namespace weft
