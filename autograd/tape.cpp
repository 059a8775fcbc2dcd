#include "weft/autograd/tape.h"

#include <cstring>
#include <iterator>

#include <fmt/format.h>

namespace weft {

Tape& Var::tape() const {
  if (!tape_) throw AutogradError("[var] an undefined variable was used");
  return *tape_;
}
const Tensor& Var::value() const { return tape().slot(*this).value; }
const Type& Var::type() const { return tape().slot(*this).type; }
std::string_view Var::name() const { return tape().slot(*this).name; }
bool Var::requires_grad() const { return tape().slot(*this).requires_grad; }

Tape::~Tape() {
  forget_outer_gradients();
  destroy_nodes();
}

void Tape::forget_outer_gradients() {
  for (const auto& [memory, i] : parameters_)
    if (slot(i).outer && slot(i).has_grad) *slot(i).outer = {};
}

void Tape::destroy_nodes() {
  for (Node* node : nodes_) node->~Node();
  nodes_.clear();
}

Tape::Slot& Tape::slot(const Var& x) {
  if (x.tape_ != this)
    throw AutogradError("[tape] a variable of another tape was used; copy its value into a constant of this one");
  if (x.step_ != step_) throw AutogradError("[tape] a variable of an earlier step was used; reset() ended its life");
  return slot(x.slot_);
}

Var Tape::add_slot(const Tensor& value, const Type& type, std::string_view name) {
  if (!value.defined()) throw AutogradError("[tape] tensor '{}' is undefined", name);
  value.require_on(backend(), "tape", name);
  if (type.rank() != value.rank())
    throw ShapeError("[tape] tensor '{}' of shape {} has {} axes, its type {} has {}", name, value.shape().str(),
                     value.rank(), type.str(), type.rank());
  for (int i = 0; i < type.size(); ++i)
    if (type[i].factor && type[i].factor->size != value.dim(type.free() + i))
      throw ShapeError("[tape] tensor '{}' of shape {}: axis {} '{}' is {}", name, value.shape().str(), i,
                       type[i].str(), type[i].factor->str());
  if (slots_ == static_cast<int>(chunks_.size()) * chunk_slots)
    chunks_.push_back(std::make_unique<Slot[]>(chunk_slots));
  Slot& s = slot(slots_++);
  s.value = value;
  s.type = type;
  s.name = name;
  return Var(this, slots_ - 1, step_);
}

Var Tape::constant(const Tensor& value, const Type& type, std::string_view name) { return add_slot(value, type, name); }

Var Tape::leaf(const Tensor& value, const Type& type, std::string_view name) {
  const Var x = add_slot(value, type, name);
  slot(x).requires_grad = slot(x).leaf = true;
  return x;
}

Var Tape::parameter(const Tensor& value, const Tensor& grad, const Version* version, const Type& type,
                    std::string_view name) {
  if (grad.shape() != value.shape() || grad.dtype() != value.dtype())
    throw ShapeError("[tape] parameter '{}' of shape {} got a gradient of shape {}", name, value.shape().str(),
                     grad.shape().str());
  for (const auto& [memory, i] : parameters_)
    if (memory == grad.raw() && slot(i).value.shape() == value.shape()) return Var(this, i, step_);
  const Var x = leaf(value, type, name);
  slot(x).grad = grad;
  slot(x).outside = version;
  parameters_.emplace_back(grad.raw(), x.slot_);
  return x;
}

Var Tape::parameter(const Tensor& value, const std::shared_ptr<OuterGradient>& grad, const Version* version,
                    const Type& type, std::string_view name) {
  for (const auto& [memory, i] : parameters_)
    if (memory == grad.get()) return Var(this, i, step_);
  const Var x = leaf(value, type, name);
  slot(x).outer = grad;
  slot(x).outside = version;
  parameters_.emplace_back(grad.get(), x.slot_);
  return x;
}

bool Tape::begin_record(const char* op, std::span<const Output> outputs, std::span<Var> vars,
                        std::span<const Var> inputs) {
  bool needed = false;
  for (const Var& x : inputs) needed |= slot(x).requires_grad;
  needed &= no_grad_ == 0;
  if (needed && consumed_)
    throw AutogradError("[{}] recorded after backward(); reset() the tape, or open a NoGrad scope", op);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    vars[i] = add_slot(outputs[i].value, outputs[i].type, {});
    slot(vars[i]).requires_grad = needed;
  }
  return needed;
}

void Tape::end_record(Node* node, const char* op, std::span<const Var> outputs, std::span<const Var> inputs) {
  auto keep = [&](std::span<const Var> vars, std::span<int>& slots, std::span<Version>& versions) {
    slots = {host_.allocate_array<int>(vars.size()), vars.size()};
    versions = {host_.allocate_array<Version>(vars.size()), vars.size()};
    for (std::size_t i = 0; i < vars.size(); ++i) {
      slots[i] = vars[i].slot_;
      versions[i] = slot(vars[i]).current();
    }
  };
  node->op = op;
  keep(inputs, node->inputs, node->input_versions);
  keep(outputs, node->outputs, node->output_versions);
  nodes_.push_back(node);
}

void Tape::seed(const Var& y, const Tensor& cotangent) {
  Slot& s = slot(y);
  if (!s.requires_grad) throw AutogradError("[backward] the output depends on no leaf whose gradient is wanted");
  if (cotangent.shape() != s.value.shape() || cotangent.dtype() != s.value.dtype())
    throw ShapeError("[backward] the output has shape {} ({}), its cotangent {} ({})", s.value.shape().str(),
                     weft::name(s.value.dtype()), cotangent.shape().str(), weft::name(cotangent.dtype()));
  if (s.has_grad) throw AutogradError("[backward] an output was given twice");
  if (!s.grad.defined()) s.grad = empty(s.value.shape(), s.value.dtype());
  s.grad.copy_from(cotangent);
  s.has_grad = true;
}

Tensor Tape::gradient_memory(const Shape& shape, DType dtype) {
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
  // The last one used up first: it is still in cache.
  for (auto free = free_gradients_.rbegin(); free != free_gradients_.rend(); ++free) {
    if (free->bytes != bytes) continue;
    void* memory = free->memory;
    free_gradients_.erase(std::next(free).base());
    return Tensor::view_of(memory, shape, dtype, {}, backend());
  }
  return empty(shape, dtype);
}

void Tape::release_gradients(std::span<const int> slots) {
  for (int i : slots) {
    const Slot& s = slot(i);
    if (!s.has_grad || s.leaf || s.grad.bytes() == 0) continue;
    free_gradients_.push_back({s.grad.raw(), s.grad.bytes()});
  }
}

void Tape::backward(const Var& y) {
  if (slot(y).value.numel() != 1)
    throw AutogradError("[backward] the output has shape {}; give a cotangent, or reduce it to one number",
                        slot(y).value.shape().str());
  const Tensor one = empty(slot(y).value.shape(), slot(y).value.dtype());
  one.fill(1);
  backward({&y, 1}, {&one, 1});
}

void Tape::backward(std::span<const Var> outputs, std::span<const Tensor> cotangents) {
  if (consumed_)
    throw AutogradError("[backward] this step was differentiated before; record it again (a tape is used once)");
  if (outputs.size() != cotangents.size())
    throw ShapeError("[backward] {} outputs, {} cotangents", outputs.size(), cotangents.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) seed(outputs[i], cotangents[i]);
  consumed_ = true;
  for (const auto& [memory, i] : parameters_)
    if (slot(i).outer) *slot(i).outer = {};
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
    bool reached = false;
    for (int o : (*node)->outputs) reached |= slot(o).has_grad;
    if (!reached) continue;
    // Gradients outlive the vjp, scratch does not: memory for the gradients is taken first.
    for (int i : (*node)->inputs) {
      Slot& s = slot(i);
      if (s.requires_grad && !s.outer && !s.grad.defined()) s.grad = gradient_memory(s.value.shape(), s.value.dtype());
    }
    const Arena::Mark mark = arena_.mark(), host_mark = host_.mark();
    Backward context(*this, **node);
    (*node)->vjp(context);
    host_.rewind(host_mark);
    arena_.rewind(mark);
    release_gradients((*node)->outputs);
  }
  for (int i = 0; i < slots_; ++i) {
    Slot& s = slot(i);
    if (s.outer) s.outer->ready = s.has_grad = true;
    if (!s.leaf || s.has_grad) continue;
    if (!s.grad.defined()) s.grad = empty(s.value.shape(), s.value.dtype());
    s.grad.fill(0);
    s.has_grad = true;
  }
}

Var Tape::grad(const Var& x) {
  const Slot& s = slot(x);
  if (!s.leaf)
    throw AutogradError("[grad] tensor '{}' is no leaf; gradients are kept for leaves and parameters", s.name);
  if (!s.has_grad) throw AutogradError("[grad] call backward() first");
  std::string_view name{};
  if (!s.name.empty()) {
    // The name lives as long as the step.
    const std::size_t n = s.name.size() + 5;
    char* text = host_.allocate_array<char>(n);
    std::memcpy(text, "grad ", 5);
    std::memcpy(text + 5, s.name.data(), s.name.size());
    name = {text, n};
  }
  Tensor whole = s.grad;
  if (s.outer) {
    whole = empty(s.value.shape(), s.value.dtype());
    form_all(*s.outer, whole);
  }
  return constant(whole, Type(s.type.dual()), name);
}

Tensor Tape::mutable_value(const Var& x) {
  Slot& s = slot(x);
  ++s.version;
  return s.value;
}

void Tape::reset() {
  forget_outer_gradients();
  destroy_nodes();
  for (int i = 0; i < slots_; ++i) slot(i) = Slot{};
  slots_ = 0;
  parameters_.clear();
  free_gradients_.clear();
  arena_.reset();
  host_.reset();
  ++step_;
  consumed_ = false;
}

const Tensor& Backward::cotangent(int output) const {
  static const Tensor none;
  const auto& s = tape_.slot(node_.outputs[static_cast<std::size_t>(output)]);
  return s.has_grad ? s.grad : none;
}

const Tensor& Backward::input(int i) const {
  const auto k = static_cast<std::size_t>(i);
  const auto& s = tape_.slot(node_.inputs[k]);
  if (s.current() != node_.input_versions[k])
    throw AutogradError(
        "[{}] input {} '{}' was changed in place after it was saved for the backward pass (version {}, saved {}); "
        "change a copy",
        node_.op, i, s.name, s.current(), node_.input_versions[k]);
  return s.value;
}

const Tensor& Backward::output(int i) const {
  const auto k = static_cast<std::size_t>(i);
  const auto& s = tape_.slot(node_.outputs[k]);
  if (s.current() != node_.output_versions[k])
    throw AutogradError(
        "[{}] its output was changed in place after it was saved for the backward pass (version {}, saved {}); change "
        "a copy",
        node_.op, s.current(), node_.output_versions[k]);
  return s.value;
}

bool Backward::wants(int i) const { return tape_.slot(node_.inputs[static_cast<std::size_t>(i)]).requires_grad; }

GradSlot Backward::grad(int i) {
  auto& s = tape_.slot(node_.inputs[static_cast<std::size_t>(i)]);
  if (s.outer)
    throw AutogradError(
        "[{}] parameter '{}' keeps its gradient as outer products, which this operation does not give; declare it with "
        "GradientForm::whole",
        node_.op, s.name);
  const double beta = s.has_grad ? 1 : 0;
  s.has_grad = true;
  return {s.grad, beta};
}

void Backward::add_outer(int i, OuterSum& sum) {
  auto& s = tape_.slot(node_.inputs[static_cast<std::size_t>(i)]);
  if (sum.numel() != s.value.numel() || sum.dtype != s.value.dtype())
    throw ShapeError("[{}] parameter '{}' has shape {} ({}), its gradient {} numbers ({})", node_.op, s.name,
                     s.value.shape().str(), name(s.value.dtype()), sum.numel(), name(sum.dtype));
  if (s.outer) {
    sum.next = s.outer->sums;
    s.outer->sums = &sum;
    return;
  }
  const GradSlot to = grad(i);
  form_all(sum, to.beta, to.tensor);
}

Arena& Backward::arena() const { return tape_.arena_; }
Arena& Backward::host() const { return tape_.host_; }

}  // namespace weft
