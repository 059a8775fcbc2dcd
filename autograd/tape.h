#pragma once
// Reverse-mode differentiation with hand-written vjps. A Tape records one step; its intermediates live in an arena, on
// the CPU or a device.
// After reset() the next step of the same shapes allocates nothing.

#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/autograd/parameter_gradient.h"
#include "weft/core/tensor.h"
#include "weft/groups/type.h"

namespace weft {

class Tape;
class Backward;

/// A variable of one step: a handle to (tensor, type) on a tape. Invalid after the tape's reset().
class Var {
 public:
  Var() = default;

  const Tensor& value() const;
  const Type& type() const;
  /// Name for messages: "W2"; empty for intermediates.
  std::string_view name() const;
  bool requires_grad() const;
  const Shape& shape() const { return value().shape(); }
  DType dtype() const { return value().dtype(); }
  bool defined() const { return tape_ != nullptr; }
  Tape& tape() const;

 private:
  friend class Tape;
  friend class Backward;
  Var(Tape* tape, int slot, std::uint32_t step) : tape_(tape), slot_(slot), step_(step) {}
  Tape* tape_ = nullptr;
  int slot_ = -1;
  std::uint32_t step_ = 0;
};

/// Where a vjp writes the gradient of an input: gradient = beta * gradient + contribution. With beta = 0 the tensor is
/// uninitialised.
struct GradSlot {
  Tensor tensor;
  double beta = 0;
};

/// One recorded operation. Lives in the tape's memory of the host.
class Node {
 public:
  virtual ~Node() = default;
  virtual void vjp(Backward& backward) = 0;

  const char* op = "";
  std::span<int> inputs, outputs;                      ///< slots
  std::span<Version> input_versions, output_versions;  ///< when recorded
};

/// What a vjp sees.
class Backward {
 public:
  /// Cotangent of output i; undefined when nothing downstream depends on it.
  const Tensor& cotangent(int output = 0) const;
  /// Saved values. Throw AutogradError when their memory was changed in place since the forward pass, through whatever
  /// view of it.
  const Tensor& input(int i) const;
  const Tensor& output(int i = 0) const;
  /// Throws what input() would throw for any: for operations that keep addresses of them.
  void require_inputs() const;
  /// The shape of an input whose numbers are not needed, and may have changed.
  const Shape& input_shape(int i) const;
  /// Whether input i needs a gradient.
  bool wants(int i) const;
  /// Throws AutogradError for a parameter whose gradient is kept in factored form.
  GradSlot grad(int i);
  /// Adds `sum` to the gradient of input i: kept as it is where the parameter takes it so, else formed and added. `sum`
  /// and its factors must live in the tape's arena and not be the vjp's scratch.
  void add_outer(int i, OuterSum& sum);
  /// Scratch memory where the tensors lie, and the host's; given back when the vjp returns.
  Arena& arena() const;
  Arena& host() const;

 private:
  friend class Tape;
  Backward(Tape& tape, Node& node, std::size_t number) : tape_(tape), node_(node), number_(number) {}
  bool changed(const Tensor& saved, Version then) const;
  Tape& tape_;
  Node& node_;
  std::size_t number_;  ///< of the node, in the order of recording
};

/// An output of a recorded operation.
struct Output {
  Tensor value;
  Type type;
};

class Tape {
 public:
  /// Values live in `arena`, on the device that it belongs to, which outlives this. Throws AutogradError when another
  /// tape records into it.
  explicit Tape(Arena& arena);
  /// With memory of its own: the host's, or a device's.
  explicit Tape(Backend* backend = nullptr);
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// A value without gradient. The name is copied. Throws ShapeError when the type's rank is not the tensor's.
  Var constant(const Tensor& value, const Type& type, std::string_view name = {});
  Var constant(const Tensor& value) { return constant(value, Type::plain(value.rank())); }
  /// A value whose gradient is wanted.
  Var leaf(const Tensor& value, const Type& type, std::string_view name = {});
  Var leaf(const Tensor& value) { return leaf(value, Type::plain(value.rank())); }
  /// The same with a gradient that outlives the step: parameters. One variable a step, however often it is asked for:
  /// all uses add into one gradient. Only operations that give outer products (Backward::add_outer) may use one that is
  /// kept so.
  Var parameter(const Tensor& value, const std::shared_ptr<ParameterGradient>& gradient, const Type& type,
                std::string_view name);

  /// Differentiates a scalar. Throws AutogradError on a second call, on a tensor that is no scalar, when nothing was
  /// recorded, or when gradients kept as outer products are to be added to whose tape was reset since; DeviceError when
  /// gradients are to be added up in work that is recorded and that did not begin with a pass of Gradients::replace.
  /// When it fails on the way, the parameters on this tape have no gradient, nor have others of their models.
  void backward(const Var& y, Gradients gradients = Gradients::replace);
  /// Differentiates Σ <cotangent, output>.
  void backward(std::span<const Var> outputs, std::span<const Tensor> cotangents,
                Gradients gradients = Gradients::replace);
  /// The gradient of a leaf: a constant of the dual type named "grad <name>". Zeros when y does not depend on x. Of a
  /// parameter whose gradients are added up, the sum so far.
  Var grad(const Var& x);

  /// For changing a value in place: whoever saved it for the backward pass, or another view of its memory, will throw.
  Tensor mutable_value(const Var& x);

  /// Ends the step: every Var is invalid, the arena is reset.
  void reset();

  /// Memory of the step where its tensors lie, and on the host: one and the same on the CPU.
  Arena& arena() { return arena_; }
  Arena& host() { return host_; }
  Backend* backend() const { return arena_.backend(); }
  Tensor empty(const Shape& shape, DType dtype) { return Tensor::empty(arena_, shape, dtype); }
  /// A copy in memory of the step, for the vjp of an operation on a tensor that is no variable (labels, an index):
  /// whoever gave it may refill it at once.
  Tensor copy(const Tensor& t) {
    const Tensor own = empty(t.shape(), t.dtype());
    own.copy_from(t);
    return own;
  }
  /// n undefined variables, in memory of the step.
  std::span<Var> variables(std::size_t n) {
    const std::span<Var> all(host_.allocate_array<Var>(n), n);
    std::uninitialized_fill(all.begin(), all.end(), Var{});
    return all;
  }

  /// Records an operation with one output. `vjp` is called as vjp(Backward&); it must hold no heap memory.
  template <class Vjp>
  Var record(const char* op, const Tensor& value, const Type& type, std::span<const Var> inputs, Vjp vjp) {
    const Output output{value, type};
    Var y;
    record_many(op, {&output, 1}, {&y, 1}, inputs, std::move(vjp));
    return y;
  }
  template <class Vjp>
  Var record(const char* op, const Tensor& value, const Type& type, std::initializer_list<Var> inputs, Vjp vjp) {
    return record(op, value, type, std::span<const Var>(inputs.begin(), inputs.size()), std::move(vjp));
  }
  /// With several outputs, whose variables are written to `vars`.
  template <class Vjp>
  void record_many(const char* op, std::span<const Output> outputs, std::span<Var> vars, std::span<const Var> inputs,
                   Vjp vjp) {
    const bool needed = begin_record(op, outputs, vars, inputs);
    if (!needed) return;
    struct Closure final : Node {
      explicit Closure(Vjp f) : f_(std::move(f)) {}
      void vjp(Backward& backward) override { f_(backward); }
      Vjp f_;
    };
    end_record(new (host_.allocate(sizeof(Closure))) Closure(std::move(vjp)), op, vars, inputs);
  }

 private:
  friend class Var;
  friend class Backward;
  friend class NoGrad;
  struct Slot {
    Tensor value, grad;
    Type type;
    std::string_view name;
    std::shared_ptr<ParameterGradient> parameter;
    bool requires_grad = false, has_grad = false, leaf = false;
    /// Its gradient is collected as outer products in this pass.
    bool collects() const { return parameter && parameter->factored && !parameter->formed; }
  };
  Slot& slot(const Var& x);
  Var add_slot(const Tensor& value, const Type& type, std::string_view name);
  std::string_view kept(std::string_view before, std::string_view name);
  void require_recordable(Gradients gradients) const;
  void begin_gradients(Gradients gradients);
  void run_backward(std::span<const Var> outputs, std::span<const Tensor> cotangents);
  bool begin_record(const char* op, std::span<const Output> outputs, std::span<Var> vars, std::span<const Var> inputs);
  void end_record(Node* node, const char* op, std::span<const Var> outputs, std::span<const Var> inputs);
  void seed(const Var& y, const Tensor& cotangent);
  Tensor gradient_memory(const Shape& shape, DType dtype);
  void release_gradients(std::span<const int> slots);
  void destroy_nodes();
  void forget_factors();

  explicit Tape(std::unique_ptr<Arena> own);

  std::unique_ptr<Arena> own_;
  Arena& arena_;
  Arena own_host_;
  Arena& host_;
  Slot& slot(int i) const {
    return chunks_[static_cast<std::size_t>(i / chunk_slots)][static_cast<std::size_t>(i % chunk_slots)];
  }

  // Slots keep their addresses while others are added, and their memory over reset().
  static constexpr int chunk_slots = 128;
  std::vector<std::unique_ptr<Slot[]>> chunks_;
  int slots_ = 0;
  // Gradients of intermediates that have been used up, for others of the same size.
  struct FreeGradient {
    void* memory;
    std::size_t bytes;
  };
  std::vector<FreeGradient> free_gradients_;
  std::vector<Node*> nodes_;
  std::vector<int> parameters_;  ///< slots
  /// Memory that mutable_value() gave for changing, and how many nodes there were then.
  struct Change {
    const std::byte *begin, *end;
    std::size_t nodes;
  };
  std::vector<Change> changes_;
  std::uint32_t step_ = 0;
  int no_grad_ = 0;
  bool consumed_ = false;
};

/// While it lives, nothing is recorded on the tape.
class NoGrad {
 public:
  explicit NoGrad(Tape& tape) : tape_(tape) { ++tape_.no_grad_; }
  ~NoGrad() { --tape_.no_grad_; }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  Tape& tape_;
};

}  // namespace weft
