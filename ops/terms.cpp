#include "weft/ops/terms.h"

#include <algorithm>
#include <array>

#include "weft/ops/einsum.h"

namespace weft {
namespace {

// Labels of a term's einsum: batch, input channel, output channel, then the term's indices.
constexpr int batch_label = 0, d_label = 1, e_label = 2, first_index = 3;
static_assert(first_index + max_term_indices <= einsum_labels);
static_assert(max_term_factors <= einsum_operands);  // a vjp puts the cotangent in the place of one

using Sizes = std::array<std::int64_t, einsum_labels>;

struct Channels {
  std::int64_t batch, d, e;
};

Sizes sizes_of(const TermList& list, const TermResolved& term, const Channels& c) {
  Sizes sizes;
  sizes.fill(1);
  sizes[batch_label] = c.batch;
  sizes[d_label] = c.d * term.taps;
  sizes[e_label] = term.to_let ? 1 : c.e * list.out().tensors()[static_cast<std::size_t>(term.target)].taps();
  for (std::size_t i = 0; i < term.indices.size(); ++i)
    sizes[first_index + i] = term.indices[i].size / (term.indices[i].complex == Mixing::none ? 1 : 2);
  return sizes;
}

/// A product of complex numbers, as sums of products of real ones. Over every complex index stand a learned number l
/// and two places a and b; their product is Re(l a conj(b)), which read as a function of l and one of the places is the
/// complex product, too.
class RealProducts {
 public:
  explicit RealProducts(const TermResolved& term) : term_(term) {
    for (const TermIndex& index : term.indices) count_ *= index.complex == Mixing::none ? 1 : 4;
  }
  const TermResolved& term() const { return term_; }
  int count() const { return count_; }
  double sign(int product) const {
    double sign = 1;
    for (; product > 0; product /= 4) sign *= product % 4 == 1 ? -1 : 1;
    return sign;
  }
  /// Where in the axis of operand `operand` (that of the left side for the number of operands) the numbers of a complex
  /// index begin that this product reads: offset and stride, of numbers that lie `stride` apart.
  std::pair<std::int64_t, std::int64_t> numbers(int product, int index, std::size_t operand, std::size_t axis,
                                                std::int64_t stride) const {
    const TermIndex& own = term_.indices[static_cast<std::size_t>(index)];
    if (own.complex == Mixing::none) return {0, stride};
    for (int i = 0; i < index; ++i)
      if (term_.indices[static_cast<std::size_t>(i)].complex != Mixing::none) product /= 4;
    const bool learned = operand < term_.operands.size() && term_.operands[operand].source == OperandSource::learned;
    // l, a, b: 0 for the real part, 1 for the imaginary one. The second product is the one that is subtracted.
    constexpr int halves[4][3] = {{0, 0, 0}, {1, 1, 0}, {0, 1, 1}, {1, 0, 1}};
    const int half = halves[product % 4][learned ? 0 : before(index, operand, axis) ? 2 : 1];
    // A learned tensor has its imaginary parts behind the real ones.
    if (own.complex == Mixing::adjacent && !learned) return {half * stride, 2 * stride};
    return {half * (own.size / 2) * stride, stride};
  }

 private:
  /// Whether the index stands in a feature, let or on the left before this place.
  bool before(int index, std::size_t operand, std::size_t axis) const {
    for (std::size_t o = 0; o <= operand && o < term_.operands.size(); ++o) {
      const TermOperand& earlier = term_.operands[o];
      for (std::size_t a = 0; a < earlier.axes.size() && (o < operand || a < axis); ++a)
        if (earlier.source != OperandSource::learned && earlier.axes[a].index == index) return true;
    }
    if (operand < term_.operands.size()) return false;
    return std::find(term_.left.begin(), term_.left.begin() + static_cast<std::ptrdiff_t>(axis), index) !=
           term_.left.begin() + static_cast<std::ptrdiff_t>(axis);
  }

  const TermResolved& term_;
  int count_ = 1;
};

/// The memory of the term's operand `which`, of its left side for the number of operands, with a label per axis, as one
/// of the term's real products reads it; an integer index becomes an offset.
Labelled view(const TermList& list, const RealProducts& products, std::size_t which, const Tensor& t, int product) {
  const TermResolved& term = products.term();
  const TermOperand* operand = which < term.operands.size() ? &term.operands[which] : nullptr;
  int leading[2], n = 0;
  if (operand && operand->source == OperandSource::learned) {
    const ParameterKind kind = list.parameters()[static_cast<std::size_t>(operand->which)].kind;
    if (kind != ParameterKind::psi) leading[n++] = e_label;
    if (kind != ParameterKind::constant) leading[n++] = d_label;
  } else {
    leading[n++] = batch_label;
    leading[n++] = operand || term.to_let ? d_label : e_label;
  }
  Labelled v;
  std::int64_t stride = t.numel(), offset = 0;
  for (int i = 0; i < t.rank(); ++i) {
    stride = t.dim(i) ? stride / t.dim(i) : 0;
    if (i < n) {
      v.push_back(leading[i], stride);
      continue;
    }
    const auto at = static_cast<std::size_t>(i - n);
    const TermAxis axis = operand ? operand->axes[at] : TermAxis{term.left[at]};
    if (axis.index < 0) {
      offset += axis.integer * stride;
      continue;
    }
    const auto [begin, step] = products.numbers(product, axis.index, which, at, stride);
    v.push_back(first_index + axis.index, step);
    offset += begin;
  }
  v.data = static_cast<std::byte*>(t.raw()) + static_cast<std::size_t>(offset) * size_of(t.dtype());
  return v;
}

/// The products of one target (a let or an output tensor) are one node: they share its output and its cotangent.
struct Target {
  bool let;
  int which;
  bool matches(const TermResolved& term) const { return term.to_let == let && term.target == which; }
};

/// The position in a target's input list of every operand that it reads: features, lets and parameters, each once.
int input_of(const TermList& list, const TermOperand& operand) {
  const int features = static_cast<int>(list.in().tensors().size()), lets = static_cast<int>(list.lets().size());
  switch (operand.source) {
    case OperandSource::feature:
      return operand.which;
    case OperandSource::let:
      return features + operand.which;
    case OperandSource::learned:
      break;
  }
  return features + lets + operand.which;
}

template <class T>
void forward(const TermList& list, Target target, std::span<const Var> inputs, const Tensor& y, const Channels& c,
             Arena& arena) {
  bool first = true;
  for (const TermResolved& term : list.terms()) {
    if (!target.matches(term)) continue;
    const Sizes sizes = sizes_of(list, term, c);
    const RealProducts products(term);
    // One of several real products reaches only part of the result: the rest must be there before.
    if (first && products.count() > 1) y.fill(0);
    for (int p = 0; p < products.count(); ++p) {
      Labelled views[einsum_operands];
      std::size_t n = 0;
      for (; n < term.operands.size(); ++n)
        views[n] =
            view(list, products, n, inputs[static_cast<std::size_t>(input_of(list, term.operands[n]))].value(), p);
      einsum<T>(arena, {views, n}, view(list, products, n, y, p), y.numel(), sizes, products.sign(p) * term.scale(),
                first && products.count() == 1 ? 0 : 1);
    }
    first = false;
  }
}

/// Which of a node's inputs stands where: input_of(operand) -> position in the node, or -1.
using Positions = std::span<const int>;

template <class T>
void vjp(const TermList& list, Target target, Positions positions, const Channels& c, Backward& back) {
  const Tensor& gy = back.cotangent();
  for (const TermResolved& term : list.terms()) {
    if (!target.matches(term)) continue;
    const Sizes sizes = sizes_of(list, term, c);
    const RealProducts products(term);
    for (std::size_t o = 0; o < term.operands.size(); ++o) {
      const int own = positions[static_cast<std::size_t>(input_of(list, term.operands[o]))];
      if (!back.wants(own)) continue;
      for (int p = 0; p < products.count(); ++p) {
        Labelled views[einsum_operands];
        std::size_t n = 0;
        views[n++] = view(list, products, term.operands.size(), gy, p);
        for (std::size_t k = 0; k < term.operands.size(); ++k)
          if (k != o)
            views[n++] = view(list, products, k,
                              back.input(positions[static_cast<std::size_t>(input_of(list, term.operands[k]))]), p);
        const GradSlot g = back.grad(own);
        // An integer index, as one of several real products, reaches only part of the gradient: the rest must be there
        // before.
        if (g.beta == 0) g.tensor.fill(0);
        einsum<T>(back.arena(), {views, n}, view(list, products, o, g.tensor, p), g.tensor.numel(), sizes,
                  products.sign(p) * term.scale(), 1);
      }
    }
  }
}

/// Inputs of one target's node, collected in the tape's memory of the host.
struct NodeInputs {
  std::span<Var> vars;
  std::span<int> positions;
};

NodeInputs collect(const TermList& list, Target target, std::span<const Var> all, Arena& host) {
  NodeInputs in{{host.allocate_array<Var>(all.size()), all.size()}, {host.allocate_array<int>(all.size()), all.size()}};
  std::fill(in.positions.begin(), in.positions.end(), -1);
  std::size_t n = 0;
  for (const TermResolved& term : list.terms()) {
    if (!target.matches(term)) continue;
    for (const TermOperand& operand : term.operands) {
      const auto i = static_cast<std::size_t>(input_of(list, operand));
      if (in.positions[i] >= 0) continue;
      in.positions[i] = static_cast<int>(n);
      new (&in.vars[n++]) Var(all[i]);
    }
  }
  in.vars = in.vars.first(n);
  return in;
}

Var run_target(const TermList& list, Target target, std::span<const Var> all, const Shape& shape, const Type& type,
               DType dtype, const Channels& c, Tape& tape) {
  const Tensor y = tape.empty(shape, dtype);
  const NodeInputs in = collect(list, target, all, tape.host());
  if (in.vars.empty()) {
    y.fill(0);
    return tape.constant(y, type);
  }
  with_float(dtype, "terms", [&](auto t) { forward<decltype(t)>(list, target, all, y, c, tape.arena()); });
  return tape.record("terms", y, type, in.vars, [list = &list, target, positions = in.positions, c](Backward& back) {
    with_float(back.cotangent().dtype(), "terms", [&](auto t) { vjp<decltype(t)>(*list, target, positions, c, back); });
  });
}

}  // namespace

void check_features(std::string_view who, const TermList& list, std::span<const Var> features, std::int64_t d) {
  const auto& tensors = list.in().tensors();
  if (features.size() != tensors.size() || features.empty())
    throw ShapeError("[{}] {} features for {} tensors of the input space; allowed: one each, one or more", who,
                     features.size(), tensors.size());
  const std::int64_t batch = features[0].shape().rank() ? features[0].shape()[0] : 0;
  const DType dtype = features[0].dtype();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Shape expected = list.in().feature_shape(static_cast<int>(i), batch, d);
    if (!(features[i].shape() == expected))
      throw ShapeError("[{}] tensor '{}' has shape {}; allowed: {}", who, tensors[i].name, features[i].shape().str(),
                       expected.str());
    if (!(features[i].type() == list.in().type(static_cast<int>(i))))
      throw TypeError("[{}] tensor '{}' has type {}; the list was built for {}", who, tensors[i].name,
                      features[i].type().str(), list.in().type(static_cast<int>(i)).str());
    if (features[i].dtype() != dtype)
      throw DtypeError("[{}] tensor '{}' is {}, '{}' is {}", who, tensors[i].name, name(features[i].dtype()),
                       tensors[0].name, name(dtype));
  }
}

void check_parameters(std::string_view who, const TermList& list, std::span<const Var> parameters, std::int64_t d,
                      std::int64_t e, DType dtype) {
  const auto& wanted = list.parameters();
  if (parameters.size() != wanted.size())
    throw ShapeError("[{}] {} parameters; the list has {}", who, parameters.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!(parameters[i].shape() == wanted[i].shape(e, d)))
      throw ShapeError("[{}] parameter '{}' has shape {}; allowed: {}", who, wanted[i].name,
                       parameters[i].shape().str(), wanted[i].shape(e, d).str());
    if (parameters[i].dtype() != dtype)
      throw DtypeError("[{}] parameter '{}' is {}, the features are {}", who, wanted[i].name,
                       name(parameters[i].dtype()), name(dtype));
  }
}

void run_terms(const TermList& list, std::span<const Var> features, std::span<const Var> parameters, std::int64_t e,
               std::span<Var> outputs) {
  const bool any = !features.empty() && !list.in().tensors().empty() && features[0].shape().rank() > 1;
  const std::int64_t d = any ? features[0].shape()[1] / list.in().tensors()[0].taps() : 0;
  check_features("terms", list, features, d);
  if (outputs.size() != list.out().tensors().size())
    throw ShapeError("[terms] {} outputs for {} tensors of the output space", outputs.size(),
                     list.out().tensors().size());
  check_parameters("terms", list, parameters, d, e, features[0].dtype());
  Tape& tape = features[0].tape();
  const DType dtype = features[0].dtype();
  const Channels c{features[0].shape()[0], d, e};

  const std::size_t count = features.size() + list.lets().size() + parameters.size();
  const std::span<Var> all(tape.host().allocate_array<Var>(count), count);
  std::uninitialized_fill(all.begin(), all.end(), Var{});
  std::copy(features.begin(), features.end(), all.begin());
  std::copy(parameters.begin(), parameters.end(), all.end() - static_cast<std::ptrdiff_t>(parameters.size()));
  for (std::size_t i = 0; i < list.lets().size(); ++i) {
    // Only the interpreter reads lets, by the list's own typing: on the tape they are plain.
    const TermLet& let = list.lets()[i];
    Shape shape{c.batch, c.d * let.taps};
    for (auto size : let.shape.sizes()) shape.push_back(size);
    all[features.size() + i] =
        run_target(list, {true, static_cast<int>(i)}, all, shape, Type::plain(shape.rank()), dtype, c, tape);
  }
  for (int i = 0; i < static_cast<int>(outputs.size()); ++i)
    outputs[static_cast<std::size_t>(i)] =
        run_target(list, {false, i}, all, list.out().feature_shape(i, c.batch, e), list.out().type(i), dtype, c, tape);
}

double term_flops(const TermList& list, std::int64_t batch, std::int64_t d, std::int64_t e) {
  const Channels c{batch, d, e};
  double sum = 0;
  for (const TermResolved& term : list.terms()) {
    const Sizes sizes = sizes_of(list, term, c);
    const RealProducts products(term);
    Labelled views[einsum_operands], out;
    std::size_t n = 0;
    for (; n < term.operands.size(); ++n) {
      const TermOperand& operand = term.operands[n];
      Shape shape;
      if (operand.source == OperandSource::learned) {
        shape = list.parameters()[static_cast<std::size_t>(operand.which)].shape(e, d);
      } else if (operand.source == OperandSource::let) {
        const TermLet& let = list.lets()[static_cast<std::size_t>(operand.which)];
        shape = Shape{batch, d * let.taps};
        for (auto size : let.shape.sizes()) shape.push_back(size);
      } else {
        shape = list.in().feature_shape(operand.which, batch, d);
      }
      views[n] = view(list, products, n, Tensor::view_of(nullptr, shape, DType::f32), 0);
    }
    out.push_back(batch_label, 1);
    out.push_back(term.to_let ? d_label : e_label, 1);
    for (int index : term.left) out.push_back(first_index + index, 1);
    sum += 2 * einsum_cost({views, n}, out, sizes) * products.count();
  }
  return sum;
}

}  // namespace weft
