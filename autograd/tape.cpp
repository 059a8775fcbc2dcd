#include "weft/autograd/tape.h"

#include <algorithm>
#include <atomic>
#include <iterator>

#include <fmt/format.h>

#include "weft/core/backend.h"

namespace weft {

Tape& Var::tape() const {
  if (!tape_) throw AutogradError("[var] an undefined variable was used");
  return *tape_;
}
const Tensor& Var::value() const { return tape().slot(*this).value; }
const Type& Var::type() const { return tape().slot(*this).type; }
std::string_view Var::name() const { return tape().slot(*this).name; }
bool Var::requires_grad() const { return tape().slot(*this).requires_grad; }

namespace {

Arena& claimed(Arena& arena) {
  if (!arena.claim())
    throw AutogradError(
        "[tape] another tape records into this arena, and its reset() would end what this one holds; give each tape an "
        "arena of its own");
  return arena;
}

/// Names a backward pass; never 0.
std::uint64_t next_pass() {
  static std::atomic<std::uint64_t> passes = 0;
  return ++passes;
}

}  // namespace

Tape::Tape(Arena& arena) : arena_(claimed(arena)), host_(arena.backend() ? own_host_ : arena) {}
Tape::Tape(Backend* backend) : Tape(std::make_unique<Arena>(memory_of(backend))) {}
Tape::Tape(std::unique_ptr<Arena> own) : Tape(*own) { own_ = std::move(own); }

Tape::~Tape() {
  forget_factors();
  destroy_nodes();
  arena_.release();
}

void Tape::forget_factors() {
  for (const int i : parameters_) {
    ParameterGradient& g = *slot(i).parameter;
    if (g.holder != this) continue;
    g.holder = nullptr;
    g.factors = {};
  }
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
  s.name = kept({}, name);
  return Var(this, slots_ - 1, step_);
}

std::string_view Tape::kept(std::string_view before, std::string_view name) {
  if (name.empty()) return {};
  char* text = host_.allocate_array<char>(before.size() + name.size());
  std::copy(name.begin(), name.end(), std::copy(before.begin(), before.end(), text));
  return {text, before.size() + name.size()};
}

Var Tape::constant(const Tensor& value, const Type& type, std::string_view name) { return add_slot(value, type, name); }

Var Tape::leaf(const Tensor& value, const Type& type, std::string_view name) {
  const Var x = add_slot(value, type, name);
  slot(x).requires_grad = slot(x).leaf = true;
  return x;
}

Var Tape::parameter(const Tensor& value, const std::shared_ptr<ParameterGradient>& gradient, const Type& type,
                    std::string_view name) {
  const Tensor& whole = gradient->whole;
  if (whole.defined() && (whole.shape() != value.shape() || whole.dtype() != value.dtype()))
    throw ShapeError("[tape] parameter '{}' of shape {} got a gradient of shape {}", name, value.shape().str(),
                     whole.shape().str());
  for (const int i : parameters_)
    if (slot(i).parameter == gradient) return Var(this, i, step_);
  const Var x = leaf(value, type, name);
  slot(x).parameter = gradient;
  parameters_.push_back(x.slot_);
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
      versions[i] = slot(vars[i]).value.version();
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
  if (s.has_grad && s.parameter)
    throw AutogradError(
        "[backward] parameter '{}' is an output, and gradients are to be added up; give an operation's result", s.name);
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

void Tape::require_recordable(Gradients gradients) const {
  const std::uint64_t recording = backend() ? backend()->recording_number() : 0;
  if (recording == 0 || gradients == Gradients::replace) return;
  for (const int i : parameters_) {
    const GradientPasses& passes = *slot(i).parameter->passes;
    if (passes.current == 0 || passes.recording != recording)
      throw DeviceError(
          "[backward] parameter '{}': Gradients::add in work that is recorded, without a pass before it "
          "there; allowed: Gradients::replace first, or each replay would add to the sums of the last one",
          slot(i).name);
  }
}

void Tape::begin_gradients(Gradients gradients) {
  const std::uint64_t pass = next_pass(), recording = backend() ? backend()->recording_number() : 0;
  for (const int i : parameters_) {
    GradientPasses& passes = *slot(i).parameter->passes;
    if (gradients == Gradients::replace || passes.current == 0) passes = {pass, recording};
  }
  for (const int i : parameters_) {
    Slot& s = slot(i);
    ParameterGradient& g = *s.parameter;
    const bool adds = g.pass == g.passes->current;
    if (adds && !g.available())
      throw AutogradError(
          "[backward] parameter '{}': an earlier pass kept its gradient as outer products, which reset() ended; "
          "allowed: Gradients::add in each of the passes that are to be added up",
          s.name);
    g.pass = g.passes->current;
    s.has_grad = adds;
    if (g.factored) {
      if (gradients == Gradients::add) {
        if (!g.whole.defined()) g.whole = Tensor::zeros(s.value.shape(), s.value.dtype(), backend());
        if (adds && !g.formed) form_all(g.factors, g.whole);
      }
      g.formed = gradients == Gradients::add;
      g.factors = {};
      g.holder = this;
    }
    if (!s.collects()) s.grad = g.whole;
  }
}

void Tape::backward(const Var& y, Gradients gradients) {
  if (slot(y).value.numel() != 1)
    throw AutogradError("[backward] the output has shape {}; give a cotangent, or reduce it to one number",
                        slot(y).value.shape().str());
  const Tensor one = empty(slot(y).value.shape(), slot(y).value.dtype());
  one.fill(1);
  backward({&y, 1}, {&one, 1}, gradients);
}

void Tape::backward(std::span<const Var> outputs, std::span<const Tensor> cotangents, Gradients gradients) {
  if (consumed_)
    throw AutogradError("[backward] this step was differentiated before; record it again (a tape is used once)");
  if (outputs.size() != cotangents.size())
    throw ShapeError("[backward] {} outputs, {} cotangents", outputs.size(), cotangents.size());
  require_recordable(gradients);
  try {
    begin_gradients(gradients);
    run_backward(outputs, cotangents);
  } catch (...) {
    // Half-made gradients are none.
    for (const int i : parameters_) *slot(i).parameter->passes = {};
    throw;
  }
}

void Tape::run_backward(std::span<const Var> outputs, std::span<const Tensor> cotangents) {
  for (std::size_t i = 0; i < outputs.size(); ++i) seed(outputs[i], cotangents[i]);
  consumed_ = true;
  for (std::size_t number = nodes_.size(); number-- > 0;) {
    Node& node = *nodes_[number];
    bool reached = false;
    for (int o : node.outputs) reached |= slot(o).has_grad;
    if (!reached) continue;
    // Gradients outlive the vjp, scratch does not: memory for the gradients is taken first.
    for (int i : node.inputs) {
      Slot& s = slot(i);
      if (s.requires_grad && !s.collects() && !s.grad.defined())
        s.grad = gradient_memory(s.value.shape(), s.value.dtype());
    }
    const Arena::Mark mark = arena_.mark(), host_mark = host_.mark();
    Backward context(*this, node, number);
    node.vjp(context);
    host_.rewind(host_mark);
    arena_.rewind(mark);
    release_gradients(node.outputs);
  }
  for (int i = 0; i < slots_; ++i) {
    Slot& s = slot(i);
    if (s.collects()) s.parameter->factors.ready = s.has_grad = true;
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
  Tensor whole = s.grad;
  if (s.collects()) {
    whole = empty(s.value.shape(), s.value.dtype());
    form_all(s.parameter->factors, whole);
  }
  const Var gradient = constant(whole, s.type.dual());
  slot(gradient).name = kept("grad ", s.name);
  return gradient;
}

Tensor Tape::mutable_value(const Var& x) {
  const Tensor& value = slot(x).value;
  value.changed();  // for other tapes
  const auto* begin = static_cast<const std::byte*>(value.raw());
  const Change change{begin, begin + value.bytes(), nodes_.size()};
  const auto known = std::find_if(changes_.begin(), changes_.end(), [&](const Change& other) {
    return other.begin == change.begin && other.end == change.end;
  });
  if (known == changes_.end())
    changes_.push_back(change);
  else
    *known = change;
  return value;
}

void Tape::reset() {
  forget_factors();
  destroy_nodes();
  changes_.clear();
  for (int i = 0; i < slots_; ++i) slot(i) = Slot{};
  slots_ = 0;
  parameters_.clear();
  free_gradients_.clear();
  arena_.release();
  arena_.reset();
  arena_.claim();
  own_host_.reset();
  ++step_;
  consumed_ = false;
}

const Tensor& Backward::cotangent(int output) const {
  static const Tensor none;
  const auto& s = tape_.slot(node_.outputs[static_cast<std::size_t>(output)]);
  return s.has_grad ? s.grad : none;
}

bool Backward::changed(const Tensor& saved, Version then) const {
  if (saved.version() != then) return true;
  const auto* begin = static_cast<const std::byte*>(saved.raw());
  const auto* end = begin + saved.bytes();
  return std::any_of(tape_.changes_.begin(), tape_.changes_.end(), [&](const Tape::Change& change) {
    return change.nodes > number_ && change.begin < end && begin < change.end;
  });
}

const Tensor& Backward::input(int i) const {
  const auto k = static_cast<std::size_t>(i);
  const auto& s = tape_.slot(node_.inputs[k]);
  if (changed(s.value, node_.input_versions[k]))
    throw AutogradError(
        "[{}] input {} '{}' was changed in place after it was saved for the backward pass; change a copy", node_.op, i,
        s.name);
  return s.value;
}

const Tensor& Backward::output(int i) const {
  const auto k = static_cast<std::size_t>(i);
  const auto& s = tape_.slot(node_.outputs[k]);
  if (changed(s.value, node_.output_versions[k]))
    throw AutogradError("[{}] its output was changed in place after it was saved for the backward pass; change a copy",
                        node_.op);
  return s.value;
}

void Backward::require_inputs() const {
  for (std::size_t i = 0; i < node_.inputs.size(); ++i) input(static_cast<int>(i));
}

const Shape& Backward::input_shape(int i) const {
  return tape_.slot(node_.inputs[static_cast<std::size_t>(i)]).value.shape();
}

bool Backward::wants(int i) const { return tape_.slot(node_.inputs[static_cast<std::size_t>(i)]).requires_grad; }

GradSlot Backward::grad(int i) {
  auto& s = tape_.slot(node_.inputs[static_cast<std::size_t>(i)]);
  if (s.parameter && s.parameter->factored)
    throw AutogradError(
        "[{}] parameter '{}' keeps its gradient as outer products, which this operation does not give; declare it with "
        "GradientForm::whole",
        node_.op, s.name);
  return {s.grad, std::exchange(s.has_grad, true) ? 1. : 0.};
}

void Backward::add_outer(int i, OuterSum& sum) {
  auto& s = tape_.slot(node_.inputs[static_cast<std::size_t>(i)]);
  if (sum.numel() != s.value.numel() || sum.dtype != s.value.dtype())
    throw ShapeError("[{}] parameter '{}' has shape {} ({}), its gradient {} numbers ({})", node_.op, s.name,
                     s.value.shape().str(), name(s.value.dtype()), sum.numel(), name(sum.dtype));
  if (s.collects()) {
    sum.next = std::exchange(s.parameter->factors.sums, &sum);
    return;
  }
  form_all(sum, std::exchange(s.has_grad, true) ? 1 : 0, s.grad);
}

Arena& Backward::arena() const { return tape_.arena_; }
Arena& Backward::host() const { return tape_.host_; }

}  // namespace weft
